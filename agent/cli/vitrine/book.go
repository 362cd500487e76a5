package vitrine

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

// bookTime is how long a viewer that is to be woken may take to answer: one that is awake does at once, and one that sleeps never.
const bookTime = 1500 * time.Millisecond

// bookPath is where a technician's own machine remembers viewers that it has seen; empty if it has no place for that.
func bookPath() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "vitrine", agent.KnownFile)
}

// remember keeps how viewers that were found can be woken once they sleep. What can't be kept is no loss.
func remember(devices []foundDevice) {
	path := bookPath()
	if path == "" {
		return
	}
	known, news := agent.ReadKnown(path), false
	for _, d := range devices {
		news = d.is(protocol.ViewerType) && known.Add(d.Announced) || news
	}
	if news && os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		_ = known.Write(path)
	}
}

// macsOf finds the hardware addresses of a viewer by its name: from its own answer, and else from what the viewer on this machine, or this command, has
// seen before.
func macsOf(ctx context.Context, name, state string) ([]net.HardwareAddr, error) {
	client := &discovery.Client{Window: bookTime}
	ctx, found := context.WithCancel(ctx)
	defer found()
	var texts []string
	query := wsd.Query{Types: []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ViewerType}}}
	err := client.Probe(ctx, func(d discovery.Device) {
		if f := describe(d); f.Name == name && len(f.MACs) > 0 {
			texts = f.MACs
			remember([]foundDevice{f})
			found()
		}
	}, query)
	if texts == nil {
		known := agent.ReadKnown(filepath.Join(state, agent.KnownFile))
		maps.Copy(known, agent.ReadKnown(bookPath()))
		if texts = known[name]; texts == nil {
			return nil, unknownViewer(name, known, err)
		}
	}
	var macs []net.HardwareAddr
	for _, text := range texts {
		if mac, err := net.ParseMAC(text); err == nil {
			macs = append(macs, mac)
		}
	}
	return macs, nil
}

// maxNamed bounds how many names a message lists.
const maxNamed = 12

// unknownViewer says what can be done about a viewer that nobody has seen.
func unknownViewer(name string, known agent.Known, err error) error {
	why := "no viewer of that name answers"
	if err != nil {
		why = err.Error()
	}
	names, more := slices.Sorted(maps.Keys(known)), ""
	if n := len(names) - maxNamed; n > 0 {
		names, more = names[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	can := "this machine has seen no viewer yet, so that none can be woken by name"
	if len(names) > 0 {
		can = "this machine has never seen it: by name it can wake " + strings.Join(names, ", ") + more
	}
	return fmt.Errorf("%q: %s, and %s. Names come from viewers that are awake while the viewer on this machine runs, or `vitrine discover --viewers`. "+
		"Give its MAC address, such as 02:11:22:33:44:55, or wake it at its server: `vitrine-server viewers wake %s`", name, why, can, name)
}
