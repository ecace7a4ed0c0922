package debian

import (
	"slices"
	"strings"

	"sysc/systems/distro/debian/keys"
)

// Settings are those of an input of type "debian".
type Settings struct {
	// Name is the input's. Mirrors are named after it.
	Name string
	// Suites are code names or suites, "trixie", "trixie-updates", or directories of
	// flat repositories, "./".
	Suites []string
	// Components empty means "main".
	Components []string
	// Security asks for the security archive of each suite that has one, too.
	Security bool
	// Snapshot is the time of an archive's state in the past, as in
	// "20260901T000000Z"; "" means the present.
	Snapshot string
	// Architecture is Debian's name, as in "amd64".
	Architecture string
	// URL is the base of the mirror; "" means what [Mirrors] finds. With Snapshot
	// it is that of the service which keeps the archive's past, "" for that of [History].
	URL string
	// Mirrors are the bases of further mirrors, tried in their order when the first one
	// does not have a file.
	Mirrors []string
	// History is the base of a service that keeps the archive's past: it is asked for what
	// the mirrors have no longer. "" means what [History] finds.
	History string
	// Keyring holds the keys that the archive is trusted by, armored or not; nil
	// means Debian's own.
	Keyring []byte
	// AllowExpired takes a state whose Valid-Until is over.
	AllowExpired bool
}

// An Archive is one suite of a repository.
type Archive struct {
	// Mirror is the name of the mirror that has it.
	Mirror       string
	Suite        string
	Components   []string
	Architecture string
	// Keyring holds the keys that may sign it; never empty.
	Keyring []byte
	// AllowExpired is set for snapshots, whose Valid-Until is over, and where a
	// definition wants it.
	AllowExpired bool
}

// DefaultComponent is the component of an input that names none.
const DefaultComponent = "main"

// securitySuffix is what the security archive's suites and, here, its mirror
// end in.
const securitySuffix = "-security"

// Archives returns the archives that settings ask for: the suites in order, then
// their security archives. A suite that is called "…-security" is looked for in
// the security archive.
func Archives(s Settings) []Archive {
	components := s.Components
	if len(components) == 0 {
		components = []string{DefaultComponent}
	}
	archive := func(mirror, suite string, ring []byte) Archive {
		if len(s.Keyring) > 0 {
			ring = s.Keyring
		}
		return Archive{
			Mirror: mirror, Suite: suite, Components: slices.Clone(components), Architecture: s.Architecture,
			Keyring: ring, AllowExpired: s.Snapshot != "" || s.AllowExpired,
		}
	}
	var archives []Archive
	var security []string
	for _, suite := range s.Suites {
		if strings.HasSuffix(suite, securitySuffix) {
			security = append(security, suite)
			continue
		}
		archives = append(archives, archive(s.Name, suite, keys.Main()))
		if s.Security && hasSecurity(suite) {
			security = append(security, suite+securitySuffix)
		}
	}
	slices.Sort(security)
	for _, suite := range slices.Compact(security) {
		archives = append(archives, archive(s.Name+securitySuffix, suite, keys.Security()))
	}
	return archives
}

// hasSecurity reports whether the security archive has updates for a suite: for
// releases it does, not for what is added to them, nor for unstable.
func hasSecurity(suite string) bool {
	if isFlat(suite) {
		return false
	}
	switch suite {
	case "sid", "unstable", "experimental", "rc-buggy":
		return false
	}
	for _, suffix := range []string{"-updates", "-backports", "-backports-sloppy", "-proposed-updates"} {
		if strings.HasSuffix(suite, suffix) {
			return false
		}
	}
	return true
}
