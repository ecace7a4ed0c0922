package builtin

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Mirrors are base addresses by name, best first. A fetch step's address
// "mirror://NAME/PATH" means PATH below each of them. Which mirror a machine
// uses is thereby no part of a derivation.
type Mirrors map[string][]string

// mirrorScheme is that of addresses below mirrors.
const mirrorScheme = "mirror"

// Expand returns the addresses that an address stands for.
func (m Mirrors) Expand(address string) ([]string, error) {
	rest, ok := strings.CutPrefix(address, mirrorScheme+"://")
	if !ok {
		return []string{address}, nil
	}
	name, path, ok := strings.Cut(rest, "/")
	if !ok || path == "" {
		return nil, fmt.Errorf("address %q: want mirror://NAME/PATH", address)
	}
	if plain, err := url.PathUnescape(path); err != nil || slices.Contains(strings.Split(plain, "/"), "..") {
		return nil, fmt.Errorf("address %q: its path leads out of the mirror", address)
	}
	bases := m[name]
	if len(bases) == 0 {
		return nil, fmt.Errorf("address %q: no mirror is called %q%s", address, name, m.known())
	}
	var out []string
	for _, base := range bases {
		out = append(out, strings.TrimSuffix(base, "/")+"/"+path)
	}
	return out, nil
}

// Gone says of a file that no mirror of a name has any more, nor the archive's past, what
// can be done.
func Gone(mirror, path string, cause error) error {
	return fmt.Errorf("the archive %q has %s no longer:\n%w\n  sysc update takes what it has now; where a service keeps its past, the input names it with history = \"https://…\"",
		mirror, path, cause)
}

// known lists the names that there are, for messages.
func (m Mirrors) known() string {
	names := slices.Sorted(maps.Keys(m))
	if len(names) == 0 {
		return "; there are none, for each comes with an input"
	}
	return "; there are " + strings.Join(names, ", ")
}
