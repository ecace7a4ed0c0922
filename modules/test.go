package modules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/vmtest"
)

// A Test is a test block of a project: what it evaluates is a variant of the
// definition, with values of its own for variables.
type Test struct {
	lang.Test
	p *Project
}

// Tests returns the tests of the definition and of the files for tests beside it.
func (p *Project) Tests() ([]*Test, diag.List) {
	found, files, diags := lang.Tests(p.def, p.opts.Texts)
	maps.Copy(p.files, files)
	var tests []*Test
	for _, t := range found {
		tests = append(tests, &Test{Test: t, p: p})
	}
	return tests, diags.Sort()
}

// A TestHost does for tests what evaluation does not.
type TestHost interface {
	// Build builds outputs of a project's graph, for a test that looks into them.
	Build(ctx context.Context, p *Project, refs []derivations.Ref) (map[derivations.Ref]store.Object, Contents, error)
	// RunMachines builds the systems of a test's machines, of those by their names, starts
	// them and does what the test says. Where they do something else the error is a
	// [vmtest.Failure].
	RunMachines(ctx context.Context, p *Project, test vmtest.Test, of map[string]Target) error
}

// Contents gives what is in objects.
type Contents interface {
	tree.Source
	// OpenBlob opens the contents of a file.
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// A TestResult is the outcome of a test.
type TestResult struct {
	// Passed is set when everything was as the test says.
	Passed bool
	// Diagnostics are what was not, and warnings.
	Diagnostics diag.List
	// Files are the texts that diagnostics are about.
	Files map[string][]byte
}

// Run evaluates the variant of the definition and checks what the test says. host is
// asked when it looks into outputs or has machines; its error is returned as it is, for
// it is none of the definition's.
func (t *Test) Run(ctx context.Context, host TestHost) (TestResult, error) {
	variant, diags := t.variant()
	result := TestResult{Files: variant.Files()}
	var err error
	switch {
	case len(t.Failures) > 0:
		diags = append(diags, variant.everything(ctx)...)
		diags = t.expect(variant, diags)
		if len(t.Asserts) == 0 || diags.HasErrors() {
			break
		}
		fallthrough
	case !diags.HasErrors():
		var more diag.List
		more, err = t.check(ctx, variant, host)
		diags = append(diags, more...)
	}
	maps.Copy(result.Files, variant.module.Files())
	result.Diagnostics = diags.Sort()
	result.Passed = err == nil && !diags.HasErrors()
	return result, err
}

// variant is the project with the test's variables.
func (t *Test) variant() (*Project, diag.List) {
	v := *t.p
	v.opts.Variables = maps.Clone(t.p.opts.Variables)
	if v.opts.Variables == nil {
		v.opts.Variables = map[string]lang.VariableValue{}
	}
	for _, a := range t.Variables {
		v.opts.Variables[a.Name] = lang.VariableValue{Expr: a.Expr, Range: a.Range(), Source: t.Block.Header()}
	}
	v.files = maps.Clone(t.p.files)
	v.work = v.newWork(v.lock, nil)
	return &v, v.work.diags
}

// check evaluates the assertions.
func (t *Test) check(ctx context.Context, v *Project, host TestHost) (diag.List, error) {
	scope, system, diags := t.scope(v)
	if diags.HasErrors() {
		return diags, nil
	}
	if len(t.Builds) > 0 {
		outputs, more, err := t.build(ctx, v, scope, host)
		diags = append(diags, more...)
		if more.HasErrors() || err != nil {
			return diags, err
		}
		scope = eval.NewScope(scope, outputs)
	}
	for _, b := range t.Asserts {
		diags = append(diags, lang.Assert(b, scope)...)
	}
	if system != nil {
		diags = append(diags, system.e.diagnostics()...)
	}
	if len(t.Machines) == 0 || diags.HasErrors() {
		return diags, nil
	}
	more, err := t.runMachines(ctx, v, scope, host)
	return append(diags, more...), err
}

// scope is what names mean in the test's conditions, and the system that they are
// about, nil when there is none.
func (t *Test) scope(v *Project) (*eval.Scope, *System, diag.List) {
	name := t.System
	if names := v.Systems(); name == "" && len(names) == 1 {
		name = names[0]
	}
	if name == "" {
		return v.module.Scope(), nil, nil
	}
	s, diags := v.Open(context.Background(), name)
	if s == nil {
		for _, d := range diags {
			d.Subject = t.SystemRange.Ptr()
		}
		return nil, nil, diags
	}
	return newSite(s.e, v.module.Scope(), rootModule).plain, s, nil
}

// expect returns what is wrong although nobody expects it, and what is expected
// and right.
func (t *Test) expect(v *Project, diags diag.List) diag.List {
	var unexpected diag.List
	met := make([]bool, len(t.Failures))
	for _, d := range diags {
		expected := d.Severity == diag.Warning
		for i, ref := range t.Failures {
			if d.Severity == diag.Error && d.Subject != nil && t.about(v, ref, *d.Subject) {
				met[i], expected = true, true
			}
		}
		if !expected {
			unexpected = append(unexpected, d)
		}
	}
	for i, ref := range t.Failures {
		if !met[i] {
			unexpected = append(unexpected, diag.Errorf(ref.Range, "Nothing is wrong",
				"The test expects that %s is refused, and it is not.", ref)...)
		}
	}
	return unexpected
}

// about reports whether a place belongs to what a name stands for.
func (t *Test) about(v *Project, ref syntax.Reference, at diag.Range) bool {
	inside := func(r diag.Range) bool {
		return r.Filename == at.Filename && r.Start.Byte <= at.Start.Byte && at.End.Byte <= r.End.Byte
	}
	named := func(blocks []*syntax.Block) bool {
		return slices.ContainsFunc(blocks, func(b *syntax.Block) bool {
			return b.Labels[0] == ref.Path[0].Name && (inside(b.Range) || inside(b.Body.Range()))
		})
	}
	switch ref.Root {
	case "var":
		given := func(a *syntax.Attr) bool { return a.Name == ref.Path[0].Name && inside(a.Range()) }
		return named(v.def.Variables) || slices.ContainsFunc(t.Variables, given)
	case "derivation":
		return named(v.def.Derivations)
	case "output":
		return named(v.def.Outputs)
	case "input":
		return named(v.def.Inputs)
	case "system":
		return named(v.def.Systems)
	case "home":
		return named(v.def.Homes)
	case "config":
		return t.aboutOption(v, ref, inside)
	}
	return false
}

// aboutOption reports whether a place belongs to an option: to its declaration, or
// to a definition.
func (t *Test) aboutOption(v *Project, ref syntax.Reference, inside func(diag.Range) bool) bool {
	_, s, _ := t.scope(v)
	if s == nil {
		return false
	}
	n := s.e.options.Root()
	for _, step := range ref.Path {
		if !n.Group() && !n.Keyed() {
			break
		}
		c, ok := n.Child(step.Name, diag.Range{})
		if !ok {
			return false
		}
		n = c
	}
	for _, d := range n.Definitions() {
		if inside(d.Range) {
			return true
		}
	}
	o := n.Option()
	if o == nil {
		return false
	}
	var declared func(blocks []*syntax.Block) bool
	declared = func(blocks []*syntax.Block) bool {
		return slices.ContainsFunc(blocks, func(b *syntax.Block) bool {
			return b.Range == o.Range && inside(b.Body.Range()) || declared(b.Body.Blocks)
		})
	}
	return declared(v.def.Options)
}

// build builds what the test looks into.
func (t *Test) build(ctx context.Context, v *Project, scope *eval.Scope, host TestHost) (*outputs, diag.List, error) {
	var diags diag.List
	var refs []derivations.Ref
	out := &outputs{ctx: ctx, objects: map[string]store.Object{}}
	byName := map[string]derivations.Ref{}
	for _, b := range t.Builds {
		value, more := eval.Evaluate(b.Target, scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		plain, _ := eval.Plain(value)
		var found []derivations.Ref
		if plain.IsKnown() && !plain.IsNull() && plain.Type() == cty.String {
			found = v.graph.Refs(plain.AsString())
		}
		if len(found) != 1 {
			diags = append(diags, diag.Errorf(b.Target.Range(), "Nothing to build", "The target is one output of a derivation, as derivation.hello.out.")...)
			continue
		}
		byName[b.Name] = found[0]
		refs = append(refs, found[0])
	}
	if diags.HasErrors() {
		return nil, diags, nil
	}
	objects, contents, err := host.Build(ctx, v, refs)
	if err != nil {
		return nil, diags, err
	}
	for name, ref := range byName {
		out.objects[name] = objects[ref]
	}
	out.contents = contents
	return out, diags, nil
}

// outputs are what the names of build blocks stand for: build.NAME["PATH"] is
// what is at a path of an output, or null.
type outputs struct {
	ctx      context.Context
	objects  map[string]store.Object
	contents Contents
}

// Roots returns the one name.
func (o *outputs) Roots() []string { return []string{"build"} }

// maxContent bounds the files that tests can read, in bytes.
const maxContent = 1 << 20

// Resolve looks into an output.
func (o *outputs) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	fail := func(at diag.Range, summary, detail string, args ...any) (cty.Value, int, diag.List) {
		return cty.DynamicVal, len(ref.Path), diag.Errorf(at, summary, detail, args...)
	}
	if diags := incompleteBuild(ref); diags != nil {
		return cty.DynamicVal, len(ref.Path), diags
	}
	object, ok := o.objects[ref.Path[0].Name]
	if !ok {
		return cty.DynamicVal, len(ref.Path), unknownBuild(ref, sortedKeys(o.objects))
	}
	value, err := o.at(object, ref.Path[1].Name)
	if err != nil {
		return fail(ref.Range, "Cannot look into what was built", "%v.", err)
	}
	return value, buildSteps, nil
}

// buildSteps are the steps of a name that leads into an output: the build, the path.
const buildSteps = 2

func incompleteBuild(ref syntax.Reference) diag.List {
	if len(ref.Path) < buildSteps {
		return diag.Errorf(ref.Range, "Incomplete reference", "What is built is looked into by path: build.NAME[\"share/doc\"].")
	}
	return nil
}

// unknownBuild says that a test has no build block of a name.
func unknownBuild(ref syntax.Reference, known []string) diag.List {
	return diag.Errorf(ref.Path[0].Range, "Unknown name", "The test has no build %q.%s", ref.Path[0].Name, diag.DidYouMean(ref.Path[0].Name, known))
}

// builtType is what is known of a path of an output.
var builtType = cty.Object(map[string]cty.Type{
	"type": cty.String, "executable": cty.Bool, "size": cty.Number, "content": cty.String, "target": cty.String, "names": cty.List(cty.String),
})

// at describes a path of an object; null is what is not there.
func (o *outputs) at(object store.Object, path string) (cty.Value, error) {
	if object.Kind == store.KindFile {
		if path != "." {
			return cty.NullVal(builtType), nil
		}
		path = store.FileEntry
	} else if path == "." {
		path = ""
	}
	e, err := tree.Find(o.ctx, o.contents, object.Tree, path)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return cty.NullVal(builtType), nil
	case err != nil:
		return cty.NilVal, err
	}
	is := map[string]cty.Value{
		"type": cty.StringVal("directory"), "executable": cty.False, "size": cty.NumberIntVal(e.Size),
		"content": cty.NullVal(cty.String), "target": cty.NullVal(cty.String), "names": cty.ListValEmpty(cty.String),
	}
	const anyExecute = 0o111
	switch e.Type {
	case tree.File:
		is["type"], is["executable"] = cty.StringVal("file"), cty.BoolVal(e.Mode&anyExecute != 0)
		if is["content"], err = o.content(e); err != nil {
			return cty.NilVal, err
		}
	case tree.Link:
		is["type"], is["target"] = cty.StringVal("symlink"), cty.StringVal(e.Target)
	case tree.Dir:
		t, err := o.contents.Tree(o.ctx, e.Digest)
		if err != nil {
			return cty.NilVal, err
		}
		var names []cty.Value
		for _, sub := range t.Entries {
			names = append(names, cty.StringVal(sub.Name))
		}
		if len(names) > 0 {
			is["names"] = cty.ListVal(names)
		}
	}
	return cty.ObjectVal(is), nil
}

// content reads a text file; a large one, or one that is no text, is null.
func (o *outputs) content(e tree.Entry) (cty.Value, error) {
	if e.Size > maxContent {
		return cty.NullVal(cty.String), nil
	}
	r, err := o.contents.OpenBlob(o.ctx, e.Digest)
	if err != nil {
		return cty.NilVal, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err != nil {
		return cty.NilVal, fmt.Errorf("read %s: %w", e.Name, err)
	}
	text := cty.StringVal(string(data))
	if text.AsString() != string(data) { // cty normalises what it takes for text
		return cty.NullVal(cty.String), nil
	}
	return text, nil
}
