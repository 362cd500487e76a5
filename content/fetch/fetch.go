// Package fetch brings one asset from one of several places into the store, and believes none of them: what counts is the
// hash.
//
// It owns the requests: retries, resuming after a break, giving up on a source that stalls or lies. It never decides what
// is fetched, and keeps nothing itself.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"

	"vitrine/content/digest"
	"vitrine/content/store"
)

// Config says how to make a Fetcher.
type Config struct {
	// Transport carries the requests; it decides about TLS and proxies, and must bound the wait for the head of an answer.
	// Nil means http.DefaultTransport with such a bound.
	Transport http.RoundTripper
	// Stall is how long a transfer may bring next to nothing (less than 1 KiB/s) before it is given up; 0 means 30 s. There is
	// no limit for a whole transfer: a thin line is not an error.
	Stall time.Duration
	// RetryWait and Retries bound the wait between tries of a request that failed, and their number; 0 means 500 ms and 3.
	RetryWait time.Duration
	Retries   int
	// Rate is how many bytes per second all transfers together may take from sources that aren't near; 0 means any number.
	Rate int64
	// Log gets what went wrong with a source, at debug level; nil means nothing.
	Log *slog.Logger
}

// Limits.
const (
	defaultStall = 30 * time.Second
	defaultWait  = 500 * time.Millisecond
	defaultTries = 3
	// maxRetryAfter is the longest Retry-After that is obeyed; a longer one makes the source fail.
	maxRetryAfter = 30 * time.Second
	// maxBreaks is how often in a row a transfer that breaks off is resumed without having brought muchProgress: in bytes, what is worth
	// another request.
	maxBreaks    = 3
	muchProgress = 64 << 10
	// bufferSize is the size of a read. Larger than usual: it cuts the time of a large file by a tenth or more.
	bufferSize = 512 << 10
)

// A Fetcher fetches. It is safe for concurrent use.
type Fetcher struct {
	client *retryablehttp.Client
	stall  time.Duration
	limit  *rate.Limiter
	liars  liars
	// buffers has *[bufferSize]byte: one for each asset would be much garbage.
	buffers sync.Pool
	log     *slog.Logger
}

// New makes a Fetcher.
func New(c Config) *Fetcher {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = defaultStall
		transport.MaxIdleConnsPerHost = 8
		c.Transport = transport
	}
	f := &Fetcher{client: retryablehttp.NewClient(), stall: orDefault(c.Stall, defaultStall), log: c.Log,
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }}}
	if c.Rate > 0 {
		f.limit = rate.NewLimiter(rate.Limit(c.Rate), bufferSize)
	}
	f.client.Logger = nil
	f.client.HTTPClient = &http.Client{Transport: c.Transport, CheckRedirect: checkRedirect}
	f.client.RetryMax = orDefault(c.Retries, defaultTries)
	f.client.RetryWaitMin = orDefault(c.RetryWait, defaultWait)
	f.client.RetryWaitMax = maxRetryAfter
	f.client.Backoff = retryWait
	f.client.CheckRetry = shouldRetry
	f.client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return f
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// errRedirect says that a redirect was not followed.
var errRedirect = errors.New("a redirect that can't be followed")

// checkRedirect follows redirects to https only, and not for ever.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return fmt.Errorf("%w: too many of them", errRedirect)
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return fmt.Errorf("%w: it leads away from https", errRedirect)
	}
	return nil
}

// retryWait is what Retry-After says, else the library's exponential wait, with jitter added. The library obeys a
// Retry-After of any length, so that it doesn't get to see it.
func retryWait(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, nil)
	if resp != nil {
		wait = max(wait, min(retryAfter(resp.Header.Get("Retry-After")), maxRetryAfter))
	}
	return wait + retryablehttp.LinearJitterBackoff(least/8, least/4, 0, nil)
}

// shouldRetry adds to the library's policy that a long Retry-After is an answer: another source, or a later try, is better
// than to wait here. So is a redirect that isn't followed, and what a source says that may hold requests.
func shouldRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if errors.Is(err, errRedirect) || ctx.Value(onceKey{}) != nil || resp != nil && retryAfter(resp.Header.Get("Retry-After")) > maxRetryAfter {
		return false, nil
	}
	again, err := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	if again && resp != nil {
		resp.Body.Close() // the library would read it to the end, and no watchdog looks on
	}
	return again, err
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3).
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, 1e9)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

// A Source is a place where an asset may be.
type Source struct {
	// URL is its address there: https, or what else the Transport knows.
	URL string
	// Near tells that it costs no outside line: the limit of the rate doesn't count.
	Near bool
	// Wait is how long the source may hold the request until it has the asset (RFC 7240, section 4.3), in whole seconds.
	Wait time.Duration
}

// ProgressHeader says, in an answer of 503 by a source that may hold requests, how many bytes it has fetched so far of what it is about
// to fetch: for as long as that grows, waiting is worth while.
const ProgressHeader = "Vitrine-Progress"

// A Job is one asset to be fetched.
type Job struct {
	Digest digest.Digest
	// Size is its length in bytes.
	Size int64
	// Type is its media type; a web page in place of anything else is refused at once.
	Type string
	// Sources are the places to try, in that order.
	Sources []Source
	// Progress is told by how much more of the asset is on disk than before; a negative number takes back what had to be thrown
	// away. What an earlier Fetch has left (see store.Partial) counts as told. It must be cheap. Nil if nobody wants to know.
	Progress func(bytes int64)
	// Came is called when all bytes have come, before the wait for the disk; more can be fetched meanwhile. Nil if nobody wants to know.
	Came func()
}

// A LaterError says that a source that may hold requests has, or will have, the asset, and can't give it yet.
type LaterError struct {
	// Progress grows while the source comes nearer to having it.
	Progress int64
}

func (e *LaterError) Error() string { return "it will have it later" }

// ErrNoSource says that there was nobody to ask.
var ErrNoSource = errors.New("there is no server to get it from at the moment")

// Fetch brings an asset into the store. What one source has brought before it broke off, the next one continues, and so does the next
// Fetch of this asset, be it years later. The error says of every source why it failed, in one line; what has come stays on disk for the next try.
func (f *Fetcher) Fetch(ctx context.Context, s *store.Store, job Job) (err error) {
	if len(job.Sources) == 0 {
		return ErrNoSource
	}
	w, err := s.Create(job.Digest, job.Size)
	if err != nil {
		return err
	}
	d := &download{Writer: w, job: job, etags: map[digest.Digest]string{}}
	if o := w.Origin(); o.ETag != "" {
		d.etags[o.Source] = o.ETag
	}
	d.told = d.Written()
	defer func() {
		if err != nil {
			d.tell(d.Suspend() - d.told)
		}
	}()
	if d.Written() == job.Size {
		if err := d.Commit(); err == nil {
			return nil // all but its last step was done when the power went
		} else if d.Writer, err = s.Create(job.Digest, job.Size); err != nil {
			d.Writer = w
			return err
		}
		d.takeBack()
	}
	refused, failed := f.fromAny(ctx, s, d)
	if failed == nil || len(refused) == 0 || ctx.Err() != nil {
		return failed
	}
	// What is here is longer than their file, or they can't do ranges: a last try from the beginning.
	if err := d.restart(); err != nil {
		return err
	}
	d.job.Sources = refused
	_, failed = f.fromAny(ctx, s, d)
	return failed
}

// fromAny tries the sources one after the other. It gives those that have no such part of the asset as is missing.
func (f *Fetcher) fromAny(ctx context.Context, s *store.Store, d *download) (refused []Source, failed error) {
	for i := 0; i < len(d.job.Sources); i++ {
		source, inherited := d.job.Sources[i], d.Written()
		if again := f.liars.barred(source, d.job.Digest); again > 0 {
			failed = also(failed, fmt.Errorf("%s: it sent wrong bytes before, and is asked again in %s", hostOf(source.URL), again.Round(time.Second)))
			continue
		}
		err := f.from(ctx, source, d)
		if err == nil {
			f.log.Debug("Fetched a file", "server", hostOf(source.URL), "digest", d.job.Digest.Short(), "bytes", d.job.Size)
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !lies(err) && !is[sourceError](err) {
			return nil, err
		}
		if is[*rangeError](err) {
			refused = append(refused, source)
		}
		f.log.Debug("A source failed", "server", hostOf(source.URL), "digest", d.job.Digest.Short(), "err", err)
		if lies(err) && inherited > 0 {
			i-- // the wrong bytes may be those of the source before: this one gets a chance of its own
		} else {
			failed = also(failed, fmt.Errorf("%s: %w", hostOf(source.URL), err))
			if lies(err) {
				f.liars.caught(source, d.job.Digest)
			}
		}
		if lies(err) { // the writer is used up
			d.takeBack()
			w, err := s.Create(d.job.Digest, d.job.Size)
			if err != nil {
				return nil, err
			}
			d.Writer = w
		}
	}
	return refused, failed
}

// also puts one error behind another, in one line.
func also(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; %w", before, err)
}

// A download is an asset on its way, with what its job's Progress has been told.
type download struct {
	*store.Writer
	job  Job
	told int64
	// etags are what the sources call the file, by the digest of their address; empty for one that has no strong ETag.
	etags map[digest.Digest]string
}

// Write takes more bytes.
func (d *download) Write(b []byte) (int, error) {
	n, err := d.Writer.Write(b)
	d.tell(int64(n))
	return n, err
}

// origin is the source's name in the note beside the bytes: the address may have a secret in it.
func origin(source Source) digest.Digest { return digest.Of([]byte(source.URL)) }

// restart throws away what has come.
func (d *download) restart() error {
	d.takeBack()
	return d.Restart()
}

func (d *download) takeBack() { d.tell(-d.told) }

func (d *download) tell(n int64) {
	d.told += n
	if n != 0 && d.job.Progress != nil {
		d.job.Progress(n)
	}
}

// is tells whether an error of type E is in the chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// lies tells whether a source brought wrong bytes: the writer is then used up.
func lies(err error) bool { return is[*store.MismatchError](err) }

// A sourceError is a failure of a source, as opposed to one of the disk.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// hostOf names a source without what may be secret in its address.
func hostOf(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return "a source"
	}
	return u.Host
}

// from fetches from one source until the asset is whole. It resumes after breaks for as long as it gets on.
func (f *Fetcher) from(ctx context.Context, source Source, d *download) error {
	for breaks := 0; ; {
		before := d.Written()
		err := f.transfer(ctx, source, d)
		if err == nil {
			if d.job.Came != nil {
				d.job.Came()
			}
			return d.Commit()
		}
		if !is[*breakError](err) || ctx.Err() != nil {
			return err
		}
		if d.Written() >= before+muchProgress {
			breaks = 0
		} else if breaks++; breaks >= maxBreaks {
			return err
		}
		f.log.Debug("A transfer broke off and is resumed", "server", hostOf(source.URL), "digest", d.job.Digest.Short(), "at", d.Written(), "err", err)
		if err := f.pause(ctx); err != nil {
			return err
		}
	}
}

// pause keeps a server that breaks off after every few bytes from being asked all the time.
func (f *Fetcher) pause(ctx context.Context) error {
	timer := time.NewTimer(f.client.RetryWaitMin)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A breakError is a transfer that broke off in the middle; what came before is good.
type breakError struct{ error }

func (e *breakError) Unwrap() error { return e.error }

// A rangeError is that a source has no such part of the asset.
type rangeError struct{ error }

func (e *rangeError) Unwrap() error { return e.error }

// transfer makes one request for what is missing, and takes its body.
func (f *Fetcher) transfer(ctx context.Context, source Source, d *download) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := f.request(ctx, source, d.Written(), d.etags[origin(source)])
	if err != nil {
		return sourceError{err}
	}
	defer resp.Body.Close()
	at := d.Written()
	if resp.StatusCode == http.StatusOK {
		at = 0 // the server doesn't do ranges, or has another file
	}
	if source.Wait > 0 && resp.StatusCode == http.StatusServiceUnavailable {
		progress, _ := strconv.ParseInt(resp.Header.Get(ProgressHeader), 10, 64) // without one there is none
		return sourceError{&LaterError{Progress: progress}}
	}
	if err := checkResponse(resp, at, d.job); err != nil {
		return sourceError{err}
	}
	if at < d.Written() {
		if err := d.restart(); err != nil {
			return err
		}
	}
	etag := resp.Header.Get("ETag")
	if !strings.HasPrefix(etag, `"`) {
		etag = "" // a weak one is of no use for ranges (RFC 9110, section 13.1.5)
	}
	d.etags[origin(source)] = etag
	d.SetOrigin(store.Origin{Source: origin(source), ETag: etag})
	body := io.Reader(resp.Body)
	watch := newWatchdog(f.stall, func() { cancel(errStalled) })
	defer watch.stop()
	if !source.Near && f.limit != nil {
		body = &limited{ctx, body, f.limit, watch}
	}
	return f.body(ctx, body, d, watch)
}

// onceKey is the context key of requests that aren't made again: a source that may hold them is one of several on this network.
type onceKey struct{}

func (f *Fetcher) request(ctx context.Context, source Source, at int64, etag string) (*http.Response, error) {
	if source.Wait > 0 {
		ctx = context.WithValue(ctx, onceKey{}, true)
	}
	r, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, source.URL, nil)
	if err != nil {
		return nil, errors.New("the address can't be read")
	}
	r.Header.Set("Accept-Encoding", "identity")
	if source.Wait > 0 {
		r.Header.Set("Prefer", fmt.Sprintf("wait=%d", int(source.Wait.Seconds())))
	}
	if at > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	if at > 0 && etag != "" {
		// Of a source that has said nothing yet the rest is taken as it comes: in the end the hash decides.
		r.Header.Set("If-Range", etag)
	}
	resp, err := f.client.Do(r)
	if err != nil && resp != nil {
		resp.Body.Close()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address may have a secret in it
	}
	return resp, err
}

// checkResponse refuses an answer that can't be the rest of the asset, before any of it is written.
func checkResponse(resp *http.Response, at int64, job Job) error {
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && at > 0:
		return &rangeError{errors.New("it answered 416: it has no such part of the file")}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent:
		return fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	case resp.StatusCode == http.StatusPartialContent && !startsAt(resp.Header.Get("Content-Range"), at, job.Size):
		return fmt.Errorf("it answered with another part than was asked for: %.60q", resp.Header.Get("Content-Range"))
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return fmt.Errorf("it sent %.20q though plain bytes were asked for", resp.Header.Get("Content-Encoding"))
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && !strings.HasPrefix(job.Type, "text/html"):
		return errors.New("it sent a web page: is this network waiting for a log-in?")
	case resp.ContentLength >= 0 && resp.ContentLength != job.Size-at:
		return &store.SizeError{Want: job.Size, Got: at + resp.ContentLength}
	}
	return nil
}

// startsAt reads a Content-Range (RFC 9110, section 14.4).
func startsAt(contentRange string, at, size int64) bool {
	var first, last, total int64
	n, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &first, &last, &total)
	return n == 3 && err == nil && first == at && last == size-1 && total == size
}

// body copies what comes into the writer. Once all has come, it doesn't matter how the transfer ends; but it must end, for
// what goes on is something else.
func (f *Fetcher) body(ctx context.Context, body io.Reader, d *download, watch *watchdog) error {
	pooled := f.buffers.Get().(*[bufferSize]byte)
	defer f.buffers.Put(pooled)
	buffer := pooled[:min(bufferSize, d.job.Size+1)]
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			watch.alive(n)
			if _, err := d.Write(buffer[:n]); is[*store.SizeError](err) {
				if err := d.restart(); err != nil {
					return err
				}
				return sourceError{err}
			} else if err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case d.Written() == d.job.Size:
			return nil
		case errors.Is(err, io.EOF):
			return sourceError{&breakError{&store.SizeError{Want: d.job.Size, Got: d.Written()}}}
		default:
			return sourceError{&breakError{stalled(ctx, err)}}
		}
	}
}
