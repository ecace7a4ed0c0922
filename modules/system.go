package modules

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
	"sysc/systems"
	"sysc/systems/distro/debian"
)

// A System is one system of a project, or one home. Its options are evaluated as they
// are asked for.
type System struct {
	// Kind says which of both it is.
	Kind systems.Kind
	// Name is the block's label.
	Name string
	// Definition is what [Project.System] has read: complete unless there were
	// errors. [Project.Open] leaves it empty.
	Definition systems.Definition
	// Origin is where the system is defined, for its derivations.
	Origin derivations.Origin

	// reached are options that were asked for and that the definition does not name.
	reached [][]string
	// made is the system as written.
	made  *systemBlock
	w     *work
	e     *evaluator
	block *syntax.Block
}

// System evaluates what a system is made of: everything that it declares, its
// packages as the lock file has them, the names of all definitions, and all
// assertions. It is nil when there is no such system. name is that of a system,
// "system.NAME" or "home.NAME".
func (p *Project) System(ctx context.Context, name string) (*System, diag.List) {
	s, diags := p.Open(ctx, name)
	if s == nil {
		return nil, diags
	}
	s.e.options.CheckNames()
	r := &reader{e: s.e, by: s.block.Range}
	diags = append(diags, s.read(r)...)
	s.e.checkAssertions()
	diags = append(diags, r.diags...)
	diags = append(diags, s.e.diagnostics()...)
	return s, diags.Sort()
}

// Address is what targets call it: system.laptop, home.anna.
func (s *System) Address() string { return s.Kind.Address(s.Name) }

// Open prepares the evaluation of a system's options and evaluates none. It is
// nil when there is no such system. name is as for [Project.System].
func (p *Project) Open(_ context.Context, name string) (*System, diag.List) {
	return p.work.open(name)
}

func (w *work) open(name string) (*System, diag.List) {
	address := fullAddress(name)
	if s, ok := w.systems[address]; ok {
		return s, s.e.diags
	}
	i := slices.IndexFunc(w.blocks, func(b *systemBlock) bool { return b.address() == address })
	if i < 0 {
		return nil, w.unknown(address)
	}
	b := w.blocks[i]
	w.session.AddSystem()
	platform, diags := w.platform(b)
	s := &System{
		Kind:   b.kind,
		Name:   b.name,
		Origin: derivations.Origin{Label: address, Position: b.block.Range.String()},
		w:      w,
		made:   b,
		block:  b.block,
		e:      w.evaluator(b.name, platform, b),
	}
	s.e.diags = append(s.e.diags, diags...)
	w.systems[address] = s
	return s, s.e.diags
}

// fullAddress is what a name stands for that may be one: that of a system, without
// "system." or "home." in front.
func fullAddress(name string) string {
	for _, kind := range kinds {
		if strings.HasPrefix(name, kind.Address("")) {
			return name
		}
	}
	return systems.Machine.Address(name)
}

// kinds are those of what a definition has. Never written to.
var kinds = []systems.Kind{systems.Machine, systems.Home}

// splitAddress takes an address apart.
func splitAddress(address string) (kind systems.Kind, name string) {
	for _, kind := range kinds {
		if name, ok := strings.CutPrefix(address, kind.Address("")); ok {
			return kind, name
		}
	}
	return systems.Machine, address
}

// unknown says that there is no such system or home.
func (w *work) unknown(address string) diag.List {
	kind, name := splitAddress(address)
	hint := diag.DidYouMean(name, w.names(kind))
	for _, other := range kinds {
		if other != kind && hint == "" && slices.Contains(w.names(other), name) {
			hint = fmt.Sprintf(" There is a %s of that name: %s.", other, other.Address(name))
		}
	}
	return diag.Errorf(diag.Range{}, "Unknown "+kind.String(), "There is no %s %q.%s", kind, name, hint)
}

// platform evaluates the argument of that name, which knows nothing of options.
func (w *work) platform(b *systemBlock) (string, diag.List) {
	a := b.block.Body.Attr("platform")
	if a == nil {
		return w.p.opts.Platform, nil
	}
	v, diags := eval.Evaluate(a.Expr, b.scope(w.module))
	if diags.HasErrors() {
		return "", diags
	}
	v, marks := eval.Plain(v)
	fitted, err := mustPattern(`[a-z0-9]+/[a-z0-9]+`).Fit(v)
	if err != nil || marks.Sensitive || len(marks.Paths) > 0 || !fitted.IsKnown() {
		return "", append(diags, diag.Errorf(a.Expr.Range(), "Wrong platform", "A platform is written like \"linux/amd64\".")...)
	}
	return fitted.AsString(), diags
}

// base returns the name of the input that packages without one are from: the one
// that the system names, or the only one. It is "" when there is none.
func (s *System) base() (string, diag.List) {
	inputs := s.w.module.Bases()
	a := s.block.Body.Attr("base")
	if a == nil || a.Expr.IsNull() {
		if len(inputs) == 1 {
			return inputs[0], nil
		}
		return "", nil
	}
	refs := a.Expr.References()
	if len(refs) != 1 || refs[0].Root != "input" || len(refs[0].Path) != 1 || a.Expr.Text() != refs[0].String() {
		return "", diag.Errorf(a.Expr.Range(), "Wrong base", "The base is written as the name of an input, as in input.debian.")
	}
	return refs[0].Path[0].Name, s.w.module.CheckBase(refs[0])
}

// read fills the definition.
func (s *System) read(r *reader) diag.List {
	def := systems.Definition{
		Kind: s.Kind, Name: s.Name, Platform: s.e.platform, Position: position(s.block.Range), Provenance: s.w.p.opts.provenance(s.w.p.lockDigest),
	}
	if s.Kind == systems.Home {
		_, ref, diags := s.w.root(rootRequest{address: s.Address(), base: inputRef{module: s.w.module}, at: s.block.Range}, nil, s.Origin)
		def.Root = ref
		r.home(&def)
		s.Definition = def
		return diags
	}
	request, outputs, diags := s.request(r)
	switch {
	case diags.HasErrors():
	case request.image != nil:
		var more diag.List
		def.Root, more = s.w.imageRoot(request.image, request.address, s.e.platform, packageList{named: request.named, outputs: outputs}, s.block.Range, s.Origin)
		diags = append(diags, more...)
	default:
		packages, ref, more := s.w.root(request, outputs, s.Origin)
		diags = append(diags, more...)
		def.Root = ref
		for _, p := range packages {
			one := systems.Package{
				Name: p.Name, Version: p.Version, Architecture: p.Architecture, Explicit: p.Explicit, Size: p.Size, SHA256: p.SHA256,
			}
			if own, ok := request.replaces(p); ok {
				one.Replaced = true
				if own.file == nil { // nobody knows what will be built
					one.Size, one.SHA256 = 0, store.Digest{}
				}
			}
			def.Packages = append(def.Packages, one)
		}
	}
	r.declared(&def, newIDs(s.w.lock.Users, s.w.lock.Groups))
	if program := s.w.p.opts.InitProgram; program != nil && def.Initrd != nil {
		def.Initrd.Program = program(def.Platform)
	}
	diags = append(diags, s.program(r, &def)...)
	s.Definition = def
	return diags
}

// request reads what the system asks of its base. Without a base there is no
// input in it.
func (s *System) request(r *reader) (rootRequest, []string, diag.List) {
	req := rootRequest{address: "system." + s.Name, base: inputRef{module: s.w.module}, at: s.block.Range}
	base, diags := s.base()
	list, ok := r.packages()
	if !ok || diags.HasErrors() {
		// What is wrong is reported; without a request there is no root.
		return req, nil, append(diags, r.stop()...)
	}
	packages, more := s.w.sortPackages(s.w.module, list, base, `system "`+s.Name+`"`)
	diags = append(diags, more...)
	req.image, more = s.w.imageBase(s.w.module, base, s.block.Range)
	diags = append(diags, more...)
	if req.named = packages.named; req.image != nil || more.HasErrors() {
		return req, packages.outputs, diags
	}
	req.base.label = base
	req.excluded, more = r.bareNames("exclude_packages", "all versions are excluded")
	diags = append(diags, more...)
	req.held, more = r.bareNames("hold_packages", "a version is held as it is")
	diags = append(diags, more...)
	req.replaced, req.patched, req.versions = r.replaced(s.w), r.patched(), r.versions()
	root := s.e.options.Root()
	req.initrd = r.text(r.option(root, "boot"), "initrd") == initrdDistribution
	req.basePackages = debian.Base(r.text(root, "base_packages"))
	req.recommends = r.flag(root, "install_recommends")
	if base == "" || s.e.platform == "" { // what is wrong with the platform is reported
		return req, packages.outputs, diags
	}
	arch, err := debian.Architecture(s.e.platform)
	if err != nil {
		at := s.block.Range
		if a := s.block.Body.Attr("platform"); a != nil {
			at = a.Expr.Range()
		}
		diags = append(diags, diag.Errorf(at, "No packages for this platform", "%v.", err)...)
	}
	req.arch = arch
	return req, packages.outputs, diags
}

// bareNames reads a list of names of packages, which have no versions because of why.
func (r *reader) bareNames(name, why string) ([]wantedPackage, diag.List) {
	list, _ := r.namedPackages(name)
	var diags diag.List
	for _, p := range list {
		if !packageName().MatchString(p.text) || strings.ContainsAny(p.text, "=:") {
			diags = append(diags, diag.Errorf(p.at, "Not a package",
				"%q is not the name of a package: names are lower-case letters, digits and + - . only, and %s.", p.text, why)...)
		}
	}
	slices.SortStableFunc(list, func(a, b wantedPackage) int { return strings.Compare(a.text, b.text) })
	return slices.CompactFunc(list, func(a, b wantedPackage) bool { return a.text == b.text }), diags
}

// packages reads the option of that name.
func (r *reader) packages() ([]wantedPackage, bool) { return r.namedPackages("packages") }

// namedPackages reads a list of packages with the place of each element.
func (r *reader) namedPackages(name string) ([]wantedPackage, bool) {
	v, ok := r.value(r.e.options.Root(), name)
	if !ok {
		return nil, false
	}
	n := r.option(r.e.options.Root(), name)
	ranges := n.Elements()
	var out []wantedPackage
	for i, text := range texts(v) {
		p := wantedPackage{text: text, at: r.by}
		if i < len(ranges) && !ranges[i].IsZero() {
			p.at = ranges[i]
		}
		out = append(out, p)
	}
	return out, true
}

// stop returns the problems met so far, so that the caller sees that there are
// some.
func (r *reader) stop() diag.List {
	return append(slices.Clone(r.diags), r.e.options.Diagnostics()...)
}
