package modules

import (
	"maps"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// localPrefix is where outputs of derivations in a list of packages are laid
// out in a root (FHS 3.0, section 4.9: software that is not the distribution's).
const localPrefix = "usr/local"

// root adds the derivations of a root to the graph: the packages that the lock
// file has for a request, and outputs of derivations on top.
func (w *work) root(r rootRequest, outputs []string, o derivations.Origin) ([]debian.Package, derivations.Ref, diag.List) {
	var packages []debian.Package
	var diags diag.List
	var layers []string
	if r.base.label != "" {
		if more := w.checkInputs(r); more.HasErrors() {
			return nil, derivations.Ref{}, more
		}
		var ref derivations.Ref
		var more diag.List
		packages, ref, more = w.packagesRoot(r, o)
		diags = append(diags, more...)
		if diags.HasErrors() || len(outputs) == 0 {
			return packages, ref, diags
		}
		path, err := w.graph.Placeholder(ref)
		if err != nil {
			return nil, ref, append(diags, diag.Errorf(r.at, "Cannot make a root", "%v.", err)...)
		}
		layers = append(layers, path)
	}
	ref, err := w.compose(r.address, layers, outputs, o)
	if err != nil {
		return nil, ref, append(diags, diag.Errorf(r.at, "Cannot make a root", "%v.", err)...)
	}
	return packages, ref, diags
}

// checkInputs reports what is wrong with the inputs of a request, or with what the lock
// file has of them.
func (w *work) checkInputs(r rootRequest) diag.List {
	_, diags := w.decoded(r)
	if w.pending != nil || diags.HasErrors() {
		return diags
	}
	for _, ref := range r.patchedInputs() {
		if _, _, more := w.lockedInput(ref.module, ref.label, debian.ArchitectureSource, r.at); more.HasErrors() {
			return more
		}
	}
	for _, ref := range r.inputs() {
		for _, arch := range append([]string{r.arch}, r.foreign()...) {
			_, _, more := w.lockedInput(ref.module, ref.label, arch, r.at)
			if more.HasErrors() {
				return more
			}
		}
	}
	return diags
}

// packagesRoot is the root of packages alone. While locking it notes the request
// and returns something that stands for the root in a graph that nobody builds.
func (w *work) packagesRoot(r rootRequest, o derivations.Origin) ([]debian.Package, derivations.Ref, diag.List) {
	if w.pending != nil {
		w.pending.add(r)
		ref, err := w.compose(r.address, nil, nil, o)
		if err != nil {
			return nil, ref, diag.Errorf(r.at, "Cannot make a root", "%v.", err)
		}
		return nil, ref, nil
	}
	packages, diags := w.locked(r)
	if diags.HasErrors() {
		return nil, derivations.Ref{}, diags
	}
	replaced, more := r.replacements(packages)
	diags = append(diags, more...)
	rebuilt, more := w.rebuilt(r, packages, o)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, derivations.Ref{}, diags
	}
	maps.Copy(replaced, rebuilt)
	key := newRootKey(r, packages)
	if ref, ok := w.roots[key]; ok && len(replaced) == 0 {
		w.session.Trace().Note(usedBundle{ref.Derivation, o})
		return packages, ref, diags
	}
	// The name is that of the input, so that equal sets of packages are one root,
	// whoever asks for them.
	var ref derivations.Ref
	var err error
	w.session.Trace().Together(func() {
		ref, err = debian.Root(w.graph, debian.RootRequest{Name: r.base.label + "-root", Architecture: r.arch, Packages: packages, Replaced: replaced, Initrd: r.initrd, Origin: o})
	}, func(events []eval.Event) any { return w.bundle(ref.Derivation, events, o) })
	if err != nil {
		return nil, ref, append(diags, diag.Errorf(r.at, "Cannot make a root", "%v.", err)...)
	}
	if len(replaced) == 0 {
		w.roots[key] = ref
	}
	return packages, ref, diags
}

// A rootKey tells roots apart that were made already. The lock file has a list of
// packages once for all that ask for the same, so its address will do.
type rootKey struct {
	input, arch string
	initrd      bool
	packages    *debian.Package // the first one, nil if there is none
	n           int
}

func newRootKey(r rootRequest, packages []debian.Package) rootKey {
	k := rootKey{input: r.base.name(), arch: r.arch, initrd: r.initrd, n: len(packages)}
	if k.n > 0 {
		k.packages = &packages[0]
	}
	return k
}

// A layer is one layer of "builtin:compose".
type layer struct {
	Object string `json:"object"`
	Path   string `json:"path"`
}

func (w *work) compose(name string, roots, outputs []string, o derivations.Origin) (derivations.Ref, error) {
	layers := []layer{}
	for _, path := range roots {
		layers = append(layers, layer{Object: path})
	}
	for _, path := range outputs {
		layers = append(layers, layer{Object: path, Path: localPrefix})
	}
	attrs, err := derivations.MakeAttrs(map[string]any{"layers": layers})
	if err != nil {
		return derivations.Ref{}, err
	}
	hash, err := w.graph.Add(derivations.Derivation{
		Name: strings.TrimRight(store.CleanName(name), "-") + "-root", Platform: "any", Builder: builtin.BuilderCompose, Attrs: attrs,
	}, o)
	return derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput}, err
}
