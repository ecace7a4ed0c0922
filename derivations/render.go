package derivations

import (
	"encoding/json"

	"sysc/store"
)

// MarshalJSON renders a derivation for people and tools: one member for each
// field in snake case, empty ones left out. It is not what is hashed.
func (d *Derivation) MarshalJSON() ([]byte, error) {
	shown := shownDerivation{
		Name: d.Name, Platform: d.Platform, Builder: d.Builder, Args: d.Args, Env: d.Env,
		Attrs: json.RawMessage(d.Attrs), Root: d.Root, WritableRoot: d.WritableRoot,
		Sources: d.Sources, Outputs: d.OutputNames(),
	}
	for _, in := range d.Inputs {
		shown.Inputs = append(shown.Inputs, shownRef{in.Derivation.String(), in.Output})
	}
	if f := d.Fixed; f != nil {
		shown.Fixed = &shownFixed{f.Kind.String(), f.Digest.String(), f.Executable, f.Size}
	}
	if l := &d.Limits; !l.IsZero() {
		shown.Limits = &shownLimits{l.References, l.Requisites, l.DisallowedReferences, l.DisallowedRequisites, l.MaxSize, l.MaxClosureSize}
	}
	return json.Marshal(shown)
}

type shownDerivation struct {
	Name         string            `json:"name"`
	Platform     string            `json:"platform"`
	Builder      string            `json:"builder"`
	Args         []string          `json:"args,omitempty"`
	Env          map[string]string `json:"env,omitempty"`
	Attrs        json.RawMessage   `json:"attrs,omitempty"`
	Root         string            `json:"root,omitempty"`
	WritableRoot bool              `json:"writable_root,omitempty"`
	Inputs       []shownRef        `json:"inputs,omitempty"`
	Sources      []store.Path      `json:"sources,omitempty"`
	Outputs      []string          `json:"outputs"`
	Limits       *shownLimits      `json:"limits,omitempty"`
	Fixed        *shownFixed       `json:"fixed,omitempty"`
}

type shownRef struct {
	Derivation string `json:"derivation"`
	Output     string `json:"output"`
}

type shownLimits struct {
	References           *[]string `json:"allowed_references,omitempty"`
	Requisites           *[]string `json:"allowed_requisites,omitempty"`
	DisallowedReferences []string  `json:"disallowed_references,omitempty"`
	DisallowedRequisites []string  `json:"disallowed_requisites,omitempty"`
	MaxSize              int64     `json:"max_size,omitempty"`
	MaxClosureSize       int64     `json:"max_closure_size,omitempty"`
}

type shownFixed struct {
	Kind       string `json:"kind"`
	Digest     string `json:"digest"`
	Executable bool   `json:"executable,omitempty"`
	Size       int64  `json:"size,omitempty"`
}
