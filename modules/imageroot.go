package modules

import (
	"sysc/derivations"
	"sysc/lang"
	"sysc/lang/diag"
)

// imageBase returns the input that is a base of type "oci", nil when the base is
// another one.
func (w *work) imageBase(m *lang.Module, label string, from diag.Range) (*input, diag.List) {
	if label == "" {
		return nil, nil
	}
	in, diags := w.anyInput(m, label, from)
	if in == nil || in.fetched == nil {
		return nil, diags
	}
	return in, diags
}

// imageRoot returns the root that an image gives for a platform, with outputs of
// derivations on top. named are packages of the base, of which an image has none.
func (w *work) imageRoot(in *input, name, platform string, packages packageList, at diag.Range, o derivations.Origin) (derivations.Ref, diag.List) {
	var diags diag.List
	for _, p := range packages.named {
		diags = append(diags, diag.Errorf(p.at, "Image without packages",
			"The base, input %q, is an image, which has no packages to choose from: %q cannot be added. Outputs of derivations can.", in.label, p.lockText(in.name))...)
	}
	pin, more := w.lockedPin(in)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return derivations.Ref{}, diags
	}
	d, attrs, diags := in.derivation(pin, platform)
	if diags.HasErrors() {
		return derivations.Ref{}, diags
	}
	path, err := w.addFetch(in, d, attrs)
	if err != nil {
		return derivations.Ref{}, diag.Errorf(at, "Cannot make a root", "%v.", err)
	}
	refs := w.graph.Refs(path)
	if len(packages.outputs) == 0 && len(refs) == 1 {
		return refs[0], nil
	}
	ref, err := w.compose(name, []string{path}, packages.outputs, o)
	if err != nil {
		return ref, diag.Errorf(at, "Cannot make a root", "%v.", err)
	}
	return ref, nil
}

// imageEnvironment is [host.Environment] for a base that is an image.
func (h *host) imageEnvironment(in *input, req lang.EnvironmentRequest, packages packageList) (string, diag.List) {
	w := h.w
	ref, diags := w.imageRoot(in, req.Origin.Label, req.Platform, packages, req.Range, req.Origin)
	if diags.HasErrors() {
		return "", diags
	}
	path, err := w.graph.Placeholder(ref)
	if err != nil {
		return "", diag.Errorf(req.Range, "Cannot make a root", "%v.", err)
	}
	if req.Exported {
		w.environments[path] = exported{address: req.Origin.Label, image: true}
	}
	return path, nil
}
