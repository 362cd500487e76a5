package wake

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A card is a fake of a network card's driver.
type card struct {
	supported, options uint32
	refuses            error
	forgets            bool
}

func (c *card) call(_ string, info *wolInfo) error {
	switch {
	case info.Command == unix.ETHTOOL_GWOL:
		info.Supported, info.Options = c.supported, c.options
		return nil
	case c.refuses == nil && !c.forgets:
		c.options = info.Options
	}
	return c.refuses
}

func TestArm(t *testing.T) {
	const wakeUnicast = 1 << 1
	c := &card{supported: wakeMagic | wakeUnicast, options: wakeUnicast}
	if err := armBy(c.call, "eth0"); err != nil || c.options != wakeMagic|wakeUnicast {
		t.Errorf("options %#x, %v", c.options, err)
	}
	for name, c := range map[string]struct {
		card *card
		want string
	}{
		"can't":   {&card{supported: wakeUnicast}, "can't wake the machine"},
		"refuses": {&card{supported: wakeMagic, refuses: unix.EPERM}, "CAP_NET_ADMIN"},
		"forgets": {&card{supported: wakeMagic, forgets: true}, "and won't"},
	} {
		if err := armBy(c.card.call, "eth0"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a card that %s: %v", name, err)
		}
	}
	if err := arm("lo"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the real driver of lo: %v", err)
	}
	if err := arm("missing0"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("an interface that isn't there: %v", err)
	}
}
