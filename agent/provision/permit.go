package provision

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"vitrine/agent/config"
)

// PresenceTime is how long after a power-up somebody is taken to be there who has made it.
const PresenceTime = 5 * time.Minute

// A Viewer is what decides whether it may take settings.
type Viewer struct {
	// Site is the one that it belongs to, and Key that site's; empty if it belongs to none.
	Site string
	Key  ed25519.PublicKey
	// Policy is whose settings it takes.
	Policy config.Sticks
	// Up is how long ago the machine was switched on; 0 if that isn't known.
	Up time.Duration
	// Now may be too early, but isn't too late.
	Now time.Time
	// Boot tells that the settings are on the boot partition of its image.
	Boot bool
	// Start tells the time since the machine was switched on from others.
	Start string
	// Kept is what it took before; nil if nothing.
	Kept *Kept
}

// Permit says why settings may not be taken; nil if they may.
func (f *File) Permit(v Viewer) error {
	switch {
	case v.Policy == config.NoSticks:
		return errors.New("this viewer takes no settings from sticks (usb.settings = \"never\" in its own file)")
	case slices.Contains(v.Kept.before(v.Start), f.Digest()):
		return errors.New("another stick that is in has other settings, and those are in effect; pull one out, and put this one in again if it is the one that counts")
	case v.Site == "":
		return nil
	case v.Policy == config.PowerUpSticks && v.Up > 0 && v.Up < PresenceTime:
		return nil
	}
	err := f.permitSigned(v)
	if err != nil && v.Policy == config.PowerUpSticks {
		err = fmt.Errorf("%w; or switch the player off and on, and put the stick in within %v", err, PresenceTime)
	}
	return err
}

// permitSigned is for what is believed only by its signature.
func (f *File) permitSigned(v Viewer) error {
	s := f.Signature
	if s == nil {
		return fmt.Errorf("this viewer belongs to the site %q, and takes only settings that are signed by it: `vitrine-server provision sign FILE` does that on the server's machine", v.Site)
	}
	if err := s.verify(v.Site, v.Key); err != nil {
		return err
	}
	if len(f.Files) > 0 {
		return ErrCAFiles
	}
	if last := v.Kept.serial(v.Site, v.Key); s.Serial <= last {
		return fmt.Errorf("it is an old one (number %d, and this viewer has taken number %d); sign the file again", s.Serial, last)
	}
	if v.Now.After(s.Expires) {
		return fmt.Errorf("it was good until %s, and it is %s now; sign the file again", s.Expires.Format(time.DateTime), v.Now.Format(time.DateTime))
	}
	return nil
}
