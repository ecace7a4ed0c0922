package debian

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sysc/systems/distro/debian/deb822"
)

// maxSourcesFile is the most bytes of one of apt's files that are read.
const maxSourcesFile = 1 << 20

// hostSources are the mirrors that a machine's own apt uses.
type hostSources struct {
	main, security []string
}

// A sourceEntry is one entry of apt's configuration, of either style
// (sources.list(5)).
type sourceEntry struct {
	uris, suites, components []string
}

// readHostSources looks at apt's configuration below hostRoot. It finds nothing
// when what is installed there is no Debian, or has no entry for Debian's main
// archive; files that cannot be read are as if they were not there, as this only
// chooses between mirrors that are trusted alike.
func readHostSources(hostRoot string) hostSources {
	codename, ok := debianCodename(filepath.Join(hostRoot, "etc/os-release"))
	if !ok {
		return hostSources{}
	}
	var found hostSources
	for _, e := range readSourceEntries(filepath.Join(hostRoot, "etc/apt")) {
		if !slices.Contains(e.components, DefaultComponent) {
			continue
		}
		for _, uri := range e.uris {
			switch {
			case slices.Contains(e.suites, codename) && isArchive(uri, "/debian"):
				found.main = appendNew(found.main, trimSlash(uri))
			case slices.Contains(e.suites, codename+securitySuffix) && isArchive(uri, "/debian-security"):
				found.security = appendNew(found.security, trimSlash(uri))
			}
		}
	}
	return found
}

// debianCodename returns VERSION_CODENAME of an os-release(5) file, if it is
// Debian's.
func debianCodename(file string) (string, bool) {
	var id, codename string
	for line := range strings.Lines(readSmall(file)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			id = value
		case "VERSION_CODENAME":
			codename = value
		}
	}
	return codename, id == "debian" && codename != ""
}

// isArchive reports whether uri may be a mirror of Debian's: a scheme that we
// speak, and the path that all mirrors have in common.
func isArchive(uri, suffix string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https", "file":
		return strings.HasSuffix(trimSlash(u.Path), suffix)
	}
	return false
}

func readSourceEntries(dir string) []sourceEntry {
	entries := parseOneLine(readSmall(filepath.Join(dir, "sources.list")))
	names, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return entries
	}
	slices.Sort(names)
	for _, name := range names {
		switch filepath.Ext(name) {
		case ".list":
			entries = append(entries, parseOneLine(readSmall(name))...)
		case ".sources":
			entries = append(entries, parseDeb822Sources(readSmall(name))...)
		}
	}
	return entries
}

// parseOneLine reads "deb [options] uri suite component...".
func parseOneLine(text string) []sourceEntry {
	var entries []sourceEntry
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			if _, rest, ok = strings.Cut(rest, "]"); !ok {
				continue
			}
		}
		words := strings.Fields(rest)
		if len(words) < 3 {
			continue
		}
		entries = append(entries, sourceEntry{uris: words[:1], suites: words[1:2], components: words[2:]})
	}
	return entries
}

// parseDeb822Sources reads the stanzas of a *.sources file. It stops at what is
// none.
func parseDeb822Sources(text string) []sourceEntry {
	var entries []sourceEntry
	reader := deb822.NewReader(strings.NewReader(text))
	for {
		stanza, err := reader.Next()
		if err != nil {
			return entries
		}
		words := func(name string) []string { return strings.Fields(deb822.Fold(stanza.Value(name))) }
		if strings.EqualFold(stanza.Value("Enabled"), "no") || !slices.Contains(words("Types"), "deb") {
			continue
		}
		entries = append(entries, sourceEntry{uris: words("URIs"), suites: words("Suites"), components: words("Components")})
	}
}

// readSmall returns a file's text, "" when there is none to be had.
func readSmall(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(f, maxSourcesFile+1)); err != nil || buf.Len() > maxSourcesFile {
		return ""
	}
	return buf.String()
}
