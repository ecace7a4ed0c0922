package debian

import (
	"net/url"
	"strings"
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
// that comes first. Only a service that keeps the archive's past can have a
// snapshot, so its settings must say which.
func Mirrors(s Settings, env func(string) string, hostRoot string) map[string][]string {
	if s.Snapshot != "" {
		return snapshotMirrors(s)
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

func snapshotMirrors(s Settings) map[string][]string {
	base := trimSlash(s.URL)
	at := "/" + url.PathEscape(s.Snapshot)
	return map[string][]string{
		s.Name:                  {base + "/debian" + at},
		s.Name + securitySuffix: {base + "/debian-security" + at},
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
