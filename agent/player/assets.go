package player

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"strings"
	"time"

	"vitrine/content/digest"
)

// serveAsset gives an asset of the present programme or the one before, in ranges if asked to. Only pictures, videos and sounds
// are given out, under the type that the manifest has for them, and sandboxed: a picture may be an SVG with a script in it.
func (p *Player) serveAsset(w http.ResponseWriter, r *http.Request) {
	d, err := digest.Parse(r.PathValue("digest"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	asset, ok := p.asset(d)
	mediaType, playable := playableType(asset.Type)
	if !ok || !playable {
		http.NotFound(w, r)
		return
	}
	file, err := p.cfg.Assets(d)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.log.Warn("The page asked for an asset that is not on the disk.", "digest", d)
		http.NotFound(w, r)
		return
	case err != nil:
		p.log.Error("An asset can't be read from the disk.", "digest", d, "err", err)
		http.Error(w, "the asset can't be read", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("ETag", `"`+d.String()+`"`)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, file)
}

// playableType is the media type without its parameters, and whether a page can be given it.
func playableType(s string) (string, bool) {
	t, _, err := mime.ParseMediaType(s)
	return t, err == nil && (strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "video/") || strings.HasPrefix(t, "audio/"))
}
