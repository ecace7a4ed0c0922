package modules

import (
	"slices"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/modules/std"
	"sysc/systems"
)

// An evaluator is one system while it is evaluated: its options, what the texts
// say of them, and what the names in these texts mean.
type evaluator struct {
	kind     systems.Kind
	name     string
	platform string
	// alone is set for options of no system, to which others may add.
	alone   bool
	options *option.Evaluation
	// asserts are those at the top of files.
	asserts []assertion
	// texts are what its modules say; system is what the system itself does, nil for
	// options that belong to none.
	texts  []sitedTexts
	system *bodySource
	// standard are the standard modules that are part of it.
	standard map[string]bool
	// diags are what is wrong with declarations.
	diags diag.List
}

// systemArguments are the arguments of a system or home that are no options.
var systemArguments = []string{"platform", "base", "modules", "for_each"}

// evaluator makes the evaluator of a system or home, or without a block that of
// options which belong to none. touched are options that something else than its
// texts names.
func (w *work) evaluator(name, platform string, b *systemBlock, touched ...[]string) *evaluator {
	kind := systems.Machine
	if b != nil {
		kind = b.kind
	}
	parts, diags := w.parts(b)
	return w.evaluatorOf(kind, parts, diags, name, platform, b, touched...)
}

// evaluatorOf is evaluator for given modules; diags are what is wrong with finding
// them.
func (w *work) evaluatorOf(kind systems.Kind, parts []part, diags diag.List, name, platform string, b *systemBlock, touched ...[]string) *evaluator {
	texts := w.textsOf(parts)
	var more diag.List
	switch {
	case kind == systems.Machine:
		texts, more = w.withStandard(texts, b, touched)
	case b != nil:
		more = ofHome(b, &texts[len(texts)-1])
	}
	e := newEvaluator(kind, name, platform, b, texts)
	e.alone = b == nil
	e.diags = slices.Concat(diags, more, e.diags)
	return e
}

// textsOf returns what modules say of options.
func (w *work) textsOf(parts []part) []moduleTexts {
	texts := make([]moduleTexts, len(parts))
	for i, p := range parts {
		d := p.module.Definition
		texts[i] = moduleTexts{p.name, p.module, d.Options, d.Configs, d.Asserts, p.module.Scope(), nil}
		if n := w.loader.nodes[p.module]; n.use != nil {
			texts[i].used = &diag.Related{Message: "In " + p.module.Address(), Range: n.use.Block.Range}
		}
	}
	return texts
}

// moduleTexts are what one module says of options.
type moduleTexts struct {
	name                      string
	module                    *lang.Module
	options, configs, asserts []*syntax.Block
	scope                     *eval.Scope
	used                      *diag.Related // nil for the root module
}

// sitedTexts are the texts of a module where they are evaluated.
type sitedTexts struct {
	moduleTexts
	site *site
}

// newEvaluator declares the options and collects the definitions of a system or home,
// without evaluating any. texts are those of its modules, in the order in which
// definitions count; the last one is the module where the system stands.
func newEvaluator(kind systems.Kind, name, platform string, system *systemBlock, texts []moduleTexts) *evaluator {
	e := &evaluator{kind: kind, name: name, platform: platform, standard: map[string]bool{}}
	schema := coreSchema(kind, name)
	schema.Elsewhere, schema.Misplaced = std.Paths(), misplaced(kind)
	if kind == systems.Home {
		schema.Elsewhere = nil
	}
	sites := make([]*site, len(texts))
	declared := map[diag.Range]bool{}
	for i, t := range texts {
		sites[i] = newSite(e, t.scope, t.name)
		if name, ok := strings.CutPrefix(t.name, std.Prefix); ok {
			e.standard[name] = true
		}
		e.texts = append(e.texts, sitedTexts{t, sites[i]})
		sites[i].used = t.used
		d := &declarer{schema: schema, site: sites[i]}
		for _, b := range t.options {
			// A module may be there with several sets of variables.
			if declared[b.Range] {
				e.diags = append(e.diags, declaredByVariables(b)...)
				continue
			}
			declared[b.Range] = true
			e.diags = append(e.diags, d.declare(b, "")...)
		}
	}
	e.diags = append(e.diags, schema.Finish()...)
	e.options = option.NewEvaluation(schema)
	for i, t := range texts {
		for _, b := range t.configs {
			e.diags = append(e.diags, b.CheckLabels()...)
			e.options.Define(sites[i].block(b, len(b.Labels)), t.name)
		}
		for _, b := range t.asserts {
			e.asserts = append(e.asserts, assertion{b, sites[i]})
		}
	}
	if system != nil {
		last := len(texts) - 1
		e.system = &bodySource{body: system.block.Body, rng: system.block.Range, site: sites[last].within(system.each), skip: systemArguments}
		e.options.Define(option.Written{Value: e.system, Range: system.block.Range}, texts[last].name)
	}
	return e
}

// declaredByVariables reports declarations that may be different for each use of
// their module: a system has every option once.
func declaredByVariables(b *syntax.Block) diag.List {
	var diags diag.List
	for _, a := range b.Body.Attrs {
		for _, ref := range a.Expr.References() {
			if ref.Root == "var" || ref.Root == "local" || ref.Root == "module" {
				diags = append(diags, diag.Errorf(ref.Range, "Option that depends on variables",
					"A system has this module several times with different variables, but each option once, so that its declaration cannot depend on %s. Set the value in a config block of the module, with default(…), or make it a labelled option with one instance for each use.", ref)...)
			}
		}
	}
	for _, sub := range b.Body.Blocks {
		diags = append(diags, declaredByVariables(sub)...)
	}
	return diags
}

// rootModule is the name of the directory that a command works on.
const rootModule = "."

// checkBody reports blocks that cannot stand among definitions of options, and
// dynamic blocks that are wrong whatever they make.
func checkBody(body *syntax.Body) diag.List {
	var diags diag.List
	for _, b := range body.Blocks {
		switch b.Type {
		case "dynamic":
			d, more := lang.ParseDynamic(b)
			diags = append(diags, more...)
			if d != nil {
				diags = append(diags, checkBody(d.Content)...)
			}
		case "assert":
			diags = append(diags, diag.Errorf(b.TypeRange, "Misplaced assert",
				"An assert block stands at the top of a file, in an option or in a derivation, not among definitions of options.")...)
		default:
			diags = append(diags, checkBody(b.Body)...)
		}
	}
	return diags
}

// diagnostics returns what is wrong so far, sorted.
func (e *evaluator) diagnostics() diag.List {
	return append(slices.Clone(e.diags), e.options.Diagnostics()...).Sort()
}
