package debian

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// MirrorVariable is the environment variable that names the mirror of this
// machine.
const MirrorVariable = "SYSC_DEBIAN_MIRROR"

// DefaultMirror is the mirror when nothing else says which.
const DefaultMirror = "http://ftp.debian.org/debian"

// Mirrors returns the base addresses of an input's mirrors by name, best first:
// the archive itself under the input's name, the security archive under that
// name and "-security".
//
// The mirror is, in this order: the one of the settings; $SYSC_DEBIAN_MIRROR;
// the one that the apt below hostRoot uses for the main archive, when a Debian
// is installed there; [DefaultMirror]. The other mirrors of the settings come behind
// it. The security archive is beside it, as in
// ".../debian-security". An apt that is asked may know another place for it;
// that comes first. A snapshot is with the service that keeps the archive's past, which is
// the one of the settings, or [History].
func Mirrors(s Settings, env func(string) string, hostRoot string) map[string][]string {
	if s.Snapshot != "" {
		base := s.URL
		if base == "" {
			base = History(s, env)
		}
		if base == "" { // this machine is to ask none
			return nil
		}
		return snapshotMirrors(s.Name, base, s.Snapshot)
	}
	base := s.URL
	if base == "" {
		base = env(MirrorVariable)
	}
	var main, security []string
	if base != "" {
		main = []string{trimSlash(base)}
	} else {
		host := readHostSources(hostRoot)
		main, security = host.main, host.security
	}
	for _, m := range s.Mirrors {
		main = appendNew(main, trimSlash(m))
	}
	if len(main) == 0 {
		main = []string{DefaultMirror}
	}
	for _, m := range main {
		security = appendNew(security, m+securitySuffix)
	}
	return map[string][]string{s.Name: main, s.Name + securitySuffix: security}
}

// HistoryVariable is the environment variable that names the service which keeps the past
// of Debian's archive, for this machine; [NoHistory] is none.
const HistoryVariable = "SYSC_DEBIAN_HISTORY"

// DefaultHistory keeps Debian's past since 2005.
const DefaultHistory = "https://snapshot.debian.org/archive"

// NoHistory in place of an address means that nothing is asked for the past.
const NoHistory = "none"

// History returns the base address of the service that keeps an archive's past, "" for
// none: that of the settings, or, for an archive that Debian's own keys vouch for, the one
// of this machine, or [DefaultHistory].
func History(s Settings, env func(string) string) string {
	address := s.History
	if address == "" && len(s.Keyring) == 0 {
		address = cmp.Or(env(HistoryVariable), DefaultHistory)
	}
	if address == NoHistory {
		return ""
	}
	return trimSlash(address)
}

// historyDelays are when a signed state is looked for behind its signature: the service
// looks at the archive some times a day, and files stay in it for a day and more after a
// newer state has come.
var historyDelays = []time.Duration{12 * time.Hour, 6 * time.Hour}

// Past returns base addresses of the mirrors of settings in the past, by their names, for
// states of the archive that were signed at some times, by the mirrors' names.
func Past(s Settings, signed map[string][]time.Time, env func(string) string) map[string][]string {
	base := History(s, env)
	if base == "" || s.Snapshot != "" {
		return nil
	}
	past := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(signed)) {
		for _, at := range signed[name] {
			for _, delay := range historyDelays {
				for of, addresses := range snapshotMirrors(s.Name, base, at.UTC().Add(delay).Format(snapshotFormat)) {
					if of == name {
						past[name] = append(past[name], addresses...)
					}
				}
			}
		}
	}
	return past
}

// maxEarlier is how many earlier states of an archive files are looked for in.
const maxEarlier = 4

// Signed returns when the states were signed that a revision's files are in, by the name
// of the mirror: that of its newest index, which was there together with all others, and
// those of the earlier ones, the newest first.
func (r Revision) Signed() map[string][]time.Time {
	signed := map[string][]time.Time{}
	for _, i := range r.Indexes {
		if old := signed[i.Archive]; len(old) == 0 || i.Date.After(old[0]) {
			signed[i.Archive] = []time.Time{i.Date}
		}
	}
	earlier := slices.SortedFunc(slices.Values(r.Earlier), func(a, b Index) int { return b.Date.Compare(a.Date) })
	for _, i := range earlier {
		list := signed[i.Archive]
		if len(list) <= maxEarlier && !slices.ContainsFunc(list, i.Date.Equal) {
			signed[i.Archive] = append(list, i.Date)
		}
	}
	return signed
}

// snapshotFormat is how services that keep the past write a time, in UTC.
const snapshotFormat = "20060102T150405Z"

// snapshotMirrors are the mirrors of an input at a service that keeps the past.
func snapshotMirrors(name, base, at string) map[string][]string {
	at = "/" + url.PathEscape(at)
	return map[string][]string{
		name:                  {trimSlash(base) + "/debian" + at},
		name + securitySuffix: {trimSlash(base) + "/debian-security" + at},
	}
}

func trimSlash(address string) string { return strings.TrimRight(address, "/") }

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}
