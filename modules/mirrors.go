package modules

import (
	"time"

	"sysc/lang/diag"
	"sysc/systems/distro/debian"
)

// An archive is an input as what says where its files are.
type archive struct {
	Settings debian.Settings `json:"settings"`
	// Signed is when the states were signed that its files are in, by mirrors.
	Signed map[string][]time.Time `json:"signed,omitempty"`
}

// A Mirrors is where the files of inputs are, by the names of their mirrors.
type Mirrors struct {
	// Now are base addresses of mirrors, see debian.Mirrors, Past those of services that
	// keep what mirrors had when they were locked, see debian.Past.
	Now, Past map[string][]string
}

// Mirrors returns the addresses of all inputs' mirrors, for fetching packages.
func (p *Project) Mirrors(env func(string) string, hostRoot string) (Mirrors, diag.List) {
	all, diags := p.archives()
	return mirrorsOf(all, env, hostRoot), diags
}

// archives returns all inputs that are archives.
func (p *Project) archives() ([]archive, diag.List) {
	var all []archive
	var diags diag.List
	for _, m := range p.work.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			in, more := p.anyInput(m, label, diag.Range{})
			diags = append(diags, more...)
			if in != nil && in.fetched == nil {
				all = append(all, archive{in.settings, p.lock.Inputs[in.name].Revision.Signed()})
			}
		}
	}
	return all, diags.Sort()
}

func mirrorsOf(archives []archive, env func(string) string, hostRoot string) Mirrors {
	out := Mirrors{map[string][]string{}, map[string][]string{}}
	for _, a := range archives {
		// The security archive of input "debian" is called like an input
		// "debian-security"; files are known by their hashes, wherever they are.
		for name, addresses := range debian.Mirrors(a.Settings, env, hostRoot) {
			out.Now[name] = append(out.Now[name], addresses...)
		}
		for name, addresses := range debian.Past(a.Settings, a.Signed, env) {
			out.Past[name] = append(out.Past[name], addresses...)
		}
	}
	return out
}
