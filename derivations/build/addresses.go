package build

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"

	"sysc/derivations"
	"sysc/derivations/builtin"
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

// checkMirrors reports which downloads among jobs name a mirror that there is not, as
// nobody who misspelt one wants to wait for all other downloads until it is said.
func (r *realiser) checkMirrors(ctx context.Context, jobs []*job) error {
	var errs []error
	for _, j := range jobs {
		if j.d.Builder != builtin.BuilderFetch {
			continue
		}
		for _, address := range addresses(j.d) {
			if _, err := r.opts.Mirrors.Expand(address); err != nil {
				errs = append(errs, r.failed(ctx, j, nil, "", err))
				break
			}
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
