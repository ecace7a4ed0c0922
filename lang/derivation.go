package lang

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
)

// A Derivation is a derivation block that is in the graph.
type Derivation struct {
	// Name is the block's label, for one of a for_each with the key behind it, and
	// Version its version, "" for none.
	Name, Version string
	// Address is what people call it, as in `derivation.m["key"]`.
	Address string
	// Hash identifies it in the graph; Outputs are the names of its outputs, sorted.
	Hash    derivations.Hash
	Outputs []string
	// Range is the block's header.
	Range diag.Range

	paths []string // those of the outputs, until they are known
}

// Ref returns the output that stands for the derivation as a whole: "out", or
// the first one when there is none of that name.
func (d *Derivation) Ref() derivations.Ref {
	if slices.Contains(d.Outputs, derivations.DefaultOutput) {
		return derivations.Ref{Derivation: d.Hash, Output: derivations.DefaultOutput}
	}
	return derivations.Ref{Derivation: d.Hash, Output: d.Outputs[0]}
}

var derivationSchema = syntax.Schema{Attrs: []syntax.AttrSchema{
	{Name: "version"}, {Name: "source"}, {Name: "packages"}, {Name: "base"}, {Name: "script"}, {Name: "builder"}, {Name: "args"},
	{Name: "env"}, {Name: "structured"}, {Name: "outputs"}, {Name: "output_hash"}, {Name: derivations.OutputHashMode}, {Name: "network"},
	{Name: derivations.AllowedReferences}, {Name: derivations.AllowedRequisites},
	{Name: derivations.DisallowedReferences}, {Name: derivations.DisallowedRequisites},
	{Name: derivations.MaxSize}, {Name: derivations.MaxClosureSize},
	{Name: derivations.Timeout}, {Name: derivations.MaxSilence}, {Name: derivations.MaxLog}, {Name: derivations.Memory},
	{Name: "for_each"}, {Name: "platform"},
}, Blocks: []syntax.BlockSchema{{Type: "assert"}, {Type: "dynamic", Labels: []string{"type"}}}}

// maxScript bounds a script, in bytes: Linux passes no argument of 128 KiB
// (MAX_ARG_STRLEN), and placeholders keep their length.
const maxScript = 120 << 10

// derivation adds what one block says to the graph, where names mean what they do
// in scope. key is that of for_each, or "".
func (m *Module) derivation(b *syntax.Block, scope *eval.Scope, address, key string) (*Derivation, diag.List) {
	name := objectName(b.Labels[0], key)
	at := b.LabelRanges[0]
	if a := b.Body.Attr("for_each"); a != nil {
		at = a.Expr.Range()
	}
	diags := checkObjectName(name, at)
	diags = append(diags, checkDerivationBody(b.Body)...)
	if diags.HasErrors() {
		return nil, diags
	}
	r := &fields{m: m, scope: scope, body: b.Body, diags: diags}
	r.asserts()
	out := &Derivation{Name: name, Version: r.text("version"), Address: address, Range: b.Range}
	d := derivations.Derivation{
		Name:     name,
		Platform: r.platform(),
		Builder:  derivations.BuilderExec,
		Env:      r.variables(),
		Outputs:  r.list("outputs"),
	}
	if d.Outputs == nil && b.Body.Attr("outputs") != nil && !b.Body.Attr("outputs").Expr.IsNull() && !r.diags.HasErrors() {
		r.fail("outputs", "Invalid value", "A derivation has at least one output. Without outputs it is the one called out.")
	}
	if out.Version != "" {
		d.Name += "-" + out.Version
		r.diags = append(r.diags, checkObjectName(d.Name, r.rangeOf("version"))...)
	}
	r.source(&d)
	r.command(&d)
	r.structured(&d)
	r.network()
	r.fixed(&d)
	r.limits(&d)
	r.runLimits(&d)
	origin := derivations.Origin{Label: address, Position: b.Range.String()}
	if !r.diags.HasErrors() {
		d.Root = r.root(origin, d.Platform)
	}
	if r.diags.HasErrors() {
		return nil, r.diags
	}
	hash, err := m.opts.Graph.Add(d, origin)
	if err != nil {
		return nil, append(r.diags, r.refused(b, err)...)
	}
	return out, append(r.diags, m.complete(out, hash)...)
}

// complete sets what is known of a derivation once the graph has it.
func (m *Module) complete(d *Derivation, hash derivations.Hash) diag.List {
	stored, ok := m.opts.Graph.Derivation(hash)
	if !ok {
		return diag.Errorf(d.Range, "Invalid derivation", "The graph does not have it.")
	}
	d.Hash, d.Outputs = hash, stored.OutputNames()
	for _, name := range d.Outputs {
		path, err := m.opts.Graph.Placeholder(derivations.Ref{Derivation: hash, Output: name})
		if err != nil {
			return diag.Errorf(d.Range, "Invalid derivation", "%v.", err)
		}
		d.paths = append(d.paths, path)
	}
	return nil
}

// A Remembered derivation is one that was evaluated before, and would be the same if it
// were evaluated now.
type Remembered struct {
	// Replay does to the graph and to other cells what evaluating it did, and returns its
	// hash. It returns false when it cannot.
	Replay func() (derivations.Hash, bool)
}

// remembered is [Module.derivation] for a block that is not evaluated.
func (m *Module) remembered(b *syntax.Block, r *Remembered, address string) (*Derivation, diag.List) {
	hash, ok := r.Replay()
	if !ok {
		return nil, diag.Errorf(b.Range, "Derivation not remembered", "%s has to be evaluated.", address)
	}
	out := &Derivation{Name: objectName(b.Labels[0], ""), Address: address, Range: b.Range}
	diags := m.complete(out, hash)
	if stored, ok := m.opts.Graph.Derivation(hash); ok && stored.Name != out.Name {
		out.Version = strings.TrimPrefix(stored.Name, out.Name+"-")
	}
	return out, diags
}

// refused reports why the graph takes no such derivation, at the argument that is
// to blame where that is known.
func (r *fields) refused(b *syntax.Block, err error) diag.List {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without the name of the derivation, which is where this is shown
	}
	at := b.Range
	for what, argument := range map[string]string{"output ": "outputs", "no outputs": "outputs", "environment variable ": "env", "argument ": "args"} {
		if strings.HasPrefix(err.Error(), what) && b.Body.Attr(argument) != nil {
			at = r.rangeOf(argument)
		}
	}
	return diag.Errorf(at, "Invalid "+b.Type, "%s.", capital(err.Error()))
}

func checkDerivationBody(b *syntax.Body) diag.List {
	diags := NoCount(b)
	var rest syntax.Body
	rest = *b
	rest.Attrs = nil
	for _, a := range b.Attrs {
		if a.Name == "count" {
			continue // reported already
		}
		if a.Name == "depends_on" {
			diags = append(diags, diag.Errorf(a.NameRange, "Unsupported argument",
				"What a derivation depends on is seen from its texts: mention the path of what it needs, as in ${derivation.NAME.out}, or list it in packages.")...)
			continue
		}
		rest.Attrs = append(rest.Attrs, a)
	}
	rest.Blocks = nil
	for _, blk := range b.Blocks {
		if hint, ok := elsewhere[blk.Type]; ok {
			diags = append(diags, diag.New(diag.Error, blk.TypeRange, "Unsupported block type", "%s", fmt.Sprintf("Blocks of type %q are not expected in a derivation. %s", blk.Type, hint)))
			continue
		}
		rest.Blocks = append(rest.Blocks, blk)
		switch blk.Type {
		case "assert":
			diags = append(diags, CheckAssert(blk)...)
		case "dynamic":
			diags = append(diags, CheckDynamicAssert(blk, "a derivation")...)
		}
	}
	diags = append(diags, rest.Check("a derivation", derivationSchema)...)
	script, builder := b.Attr("script"), b.Attr("builder")
	switch {
	case script != nil && builder != nil:
		diags = append(diags, diag.Errorf(builder.NameRange, "Conflicting arguments", "A derivation has either a script or a builder.")...)
	case script == nil && builder == nil && !diags.HasErrors():
		diags = append(diags, diag.Errorf(b.End, "Missing required argument", "A derivation needs a script, or a builder with args.")...)
	}
	if a := b.Attr("args"); a != nil && builder == nil {
		diags = append(diags, diag.Errorf(a.NameRange, "Conflicting arguments", "args belong to a builder, and this derivation has none.")...)
	}
	return diags
}

func checkObjectName(name string, rng diag.Range) diag.List {
	if err := store.CheckName(name); err != nil {
		return diag.Errorf(rng, "Invalid name", "%v.", capital(err.Error()))
	}
	return nil
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// source sets $src.
func (r *fields) source(d *derivations.Derivation) {
	if r.body.Attr("source") == nil {
		return
	}
	src := r.text("source")
	if src == "" {
		return
	}
	if _, taken := d.Env["src"]; taken {
		r.fail("source", "Conflicting arguments", "source sets the variable src, which env sets as well.")
		return
	}
	if d.Env == nil {
		d.Env = map[string]string{}
	}
	d.Env["src"] = src
}

// command sets the arguments.
func (r *fields) command(d *derivations.Derivation) {
	if a := r.body.Attr("script"); a != nil {
		v, ok := r.converted("script", cty.String)
		if !ok {
			if !r.diags.HasErrors() {
				r.fail("script", "Missing required argument", "The script is null, and so there is nothing that makes the outputs.")
			}
			return
		}
		script := v.AsString()
		if len(script) > maxScript {
			r.fail("script", "Script too long", fmt.Sprintf("A script has up to %d KiB. Put a longer one into a file, and run it by source().", maxScript>>10))
		}
		d.Args = []string{"/bin/sh", "-euc", script}
		return
	}
	builder := r.text("builder")
	if builder != "" && !strings.HasPrefix(builder, "/") && !r.diags.HasErrors() {
		r.fail("builder", "Invalid builder", "A builder is the absolute path of a program, in the root that the packages make or in the output of a derivation.")
	}
	d.Args = append([]string{builder}, r.list("args")...)
}

func (r *fields) structured(d *derivations.Derivation) {
	v, ok := r.plain("structured")
	if !ok || v.IsNull() {
		return
	}
	if ty := v.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		r.fail("structured", "Incorrect type", "structured is an object: it "+eval.Describe(v)+".")
		return
	}
	data, err := goValue(v)
	if err == nil {
		d.Attrs, err = derivations.MakeAttrs(data)
	}
	if err != nil {
		r.fail("structured", "Invalid value", capital(err.Error())+".")
	}
}

// network refuses what a build would not be given.
func (r *fields) network() {
	v, ok := r.plain("network")
	switch {
	case !ok || v.IsNull():
	case v.Type() != cty.Bool:
		r.fail("network", "Incorrect type", "network is true or false.")
	case v.True():
		r.fail("network", "Network not supported yet",
			"This version of sysc gives no build the network, not even one with an output_hash. Fetch what the build needs with fetchurl or fetchtarball, which take the hash of the result, and use the path that they return.")
	}
}

// fixed reads what the result must be.
func (r *fields) fixed(d *derivations.Derivation) {
	hash, mode := r.text("output_hash"), r.text(derivations.OutputHashMode)
	if hash == "" {
		if mode != "" {
			r.fail(derivations.OutputHashMode, "Missing required argument", "output_hash_mode says what an output_hash is about, and there is none.")
		}
		return
	}
	digest, err := store.ParseDigest(hash)
	if err != nil || !strings.HasPrefix(hash, "sha256:") || digest.IsZero() {
		r.fail("output_hash", "Invalid hash",
			fmt.Sprintf("%q is not \"sha256:\" and 64 hexadecimal digits, not all of them 0. To learn the hash, write 1 for each and build: the message has it.", hash))
		return
	}
	fixed, ok := derivations.MakeFixed(cmp.Or(mode, derivations.ModeFile), digest)
	if !ok {
		r.fail(derivations.OutputHashMode, "Invalid mode",
			fmt.Sprintf("output_hash_mode is %q for a file, which is the default, %q for an executable file, or %q for a directory, not %q.%s",
				derivations.ModeFile, derivations.ModeExecutable, derivations.ModeTree, mode, diag.DidYouMean(mode, derivations.Modes)))
	}
	d.Fixed = fixed
}

// goValue converts a plain value to what encoding/json writes. Numbers must be
// whole, because derivations hold no others.
func goValue(v cty.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return v.AsString(), nil
	case ty == cty.Bool:
		return v.True(), nil
	case ty == cty.Number:
		i, accuracy := v.AsBigFloat().Int64()
		if accuracy != 0 {
			return nil, fmt.Errorf("the number %s is not a whole number of 64 bits; write it as a text", v.AsBigFloat().Text('g', 20))
		}
		return i, nil
	case ty.IsObjectType() || ty.IsMapType():
		out := map[string]any{}
		for it := v.ElementIterator(); it.Next(); {
			k, elem := it.Element()
			item, err := goValue(elem)
			if err != nil {
				return nil, err
			}
			out[k.AsString()] = item
		}
		return out, nil
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		out := []any{}
		for it := v.ElementIterator(); it.Next(); {
			_, elem := it.Element()
			item, err := goValue(elem)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s cannot be written as JSON", ty.FriendlyName())
}
