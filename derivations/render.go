package derivations

import (
	"encoding/json"
	"fmt"
	"time"

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
	if l := &d.RunLimits; *l != (RunLimits{}) {
		shown.RunLimits = &shownRunLimits{shownDuration(l.Timeout), shownDuration(l.Silence), l.Log, l.Memory}
	}
	return json.Marshal(shown)
}

// UnmarshalJSON reads what MarshalJSON wrote. The result is for comparing and
// showing; nothing is checked that [Graph.Add] checks.
func (d *Derivation) UnmarshalJSON(text []byte) error {
	var shown shownDerivation
	if err := json.Unmarshal(text, &shown); err != nil {
		return err
	}
	*d = Derivation{
		Name: shown.Name, Platform: shown.Platform, Builder: shown.Builder, Args: shown.Args, Env: shown.Env,
		Root: shown.Root, WritableRoot: shown.WritableRoot, Sources: shown.Sources, Outputs: shown.Outputs,
	}
	if len(shown.Attrs) > 0 {
		attrs, err := canonicalJSON(shown.Attrs)
		if err != nil {
			return err
		}
		d.Attrs = attrs
	}
	if len(d.Outputs) == 1 && d.Outputs[0] == DefaultOutput {
		d.Outputs = nil
	}
	for _, in := range shown.Inputs {
		h, err := ParseHash(in.Derivation)
		if err != nil {
			return err
		}
		d.Inputs = append(d.Inputs, Ref{h, in.Output})
	}
	if l := shown.Limits; l != nil {
		d.Limits = Limits{l.References, l.Requisites, l.DisallowedReferences, l.DisallowedRequisites, l.MaxSize, l.MaxClosureSize}
	}
	if err := d.unmarshalRunLimits(shown.RunLimits); err != nil {
		return err
	}
	return d.unmarshalFixed(shown.Fixed)
}

func (d *Derivation) unmarshalRunLimits(shown *shownRunLimits) error {
	if shown == nil {
		return nil
	}
	d.RunLimits.Log, d.RunLimits.Memory = shown.MaxLog, shown.Memory
	for _, limit := range []struct {
		text string
		to   *time.Duration
	}{{shown.Timeout, &d.RunLimits.Timeout}, {shown.MaxSilence, &d.RunLimits.Silence}} {
		if limit.text == "" {
			continue
		}
		var err error
		if *limit.to, err = time.ParseDuration(limit.text); err != nil {
			return err
		}
	}
	return nil
}

func (d *Derivation) unmarshalFixed(shown *shownFixed) error {
	if shown == nil {
		return nil
	}
	digest, err := store.ParseDigest(shown.Digest)
	if err != nil {
		return err
	}
	d.Fixed = &Fixed{Digest: digest, Executable: shown.Executable, Size: shown.Size}
	for _, kind := range []store.Kind{store.KindFile, store.KindTree, store.KindRoot} {
		if kind.String() == shown.Kind {
			d.Fixed.Kind = kind
			return nil
		}
	}
	return fmt.Errorf("a result of kind %q", shown.Kind)
}

// ParseHash reads what [Hash.String] wrote.
func ParseHash(text string) (Hash, error) {
	h, err := store.ParseDerivationHash(text)
	return Hash(h), err
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
	RunLimits    *shownRunLimits   `json:"run_limits,omitempty"`
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

type shownRunLimits struct {
	Timeout    string `json:"timeout,omitempty"`
	MaxSilence string `json:"max_silence,omitempty"`
	MaxLog     int64  `json:"max_log,omitempty"`
	Memory     int64  `json:"memory,omitempty"`
}

// shownDuration writes a duration as definitions have it, and none as "".
func shownDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

type shownFixed struct {
	Kind       string `json:"kind"`
	Digest     string `json:"digest"`
	Executable bool   `json:"executable,omitempty"`
	Size       int64  `json:"size,omitempty"`
}
