package build

import (
	"encoding/json"
	"net/url"
	"slices"

	"sysc/derivations"
)

// addresses lists where a builtin step fetches from, for messages: what its
// attributes have as "url" and "urls", without passwords.
func addresses(d *derivations.Derivation) []string {
	var attrs struct {
		URL  string   `json:"url"`
		URLs []string `json:"urls"`
	}
	// The attributes of programs are their own, and those of another shape have no
	// addresses.
	if d.Builder == derivations.BuilderExec || json.Unmarshal(d.Attrs, &attrs) != nil {
		return nil
	}
	var list []string
	for _, address := range slices.Concat([]string{attrs.URL}, attrs.URLs) {
		if u, err := url.Parse(address); err == nil && address != "" {
			list = append(list, u.Redacted())
		}
	}
	return list
}
