package modules

import (
	"slices"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// An evaluator is one system while it is evaluated: its options, what the texts
// say of them, and what the names in these texts mean.
type evaluator struct {
	name     string
	platform string
	// block is the system's own.
	block   *syntax.Block
	options *option.Evaluation
	// diags are what is wrong with declarations.
	diags diag.List
}

// systemArguments are the arguments of a system that are no options.
var systemArguments = []string{"platform", "base", "modules", "for_each"}

// newEvaluator declares the options and collects the definitions of a system,
// without evaluating any. blocks are those of the module that are of type option
// and config.
func newEvaluator(name, platform string, system *syntax.Block, blocks []*syntax.Block, scope *eval.Scope) *evaluator {
	e := &evaluator{name: name, platform: platform, block: system}
	s := newSite(e, scope, rootModule)
	schema := coreSchema(name)
	d := &declarer{schema: schema, site: s}
	for _, b := range blocks {
		if b.Type == "option" {
			e.diags = append(e.diags, d.declare(b, "")...)
		}
	}
	e.options = option.NewEvaluation(schema)
	for _, b := range blocks {
		if b.Type == "config" {
			e.diags = append(e.diags, b.CheckLabels()...)
			e.options.Define(s.block(b, len(b.Labels)), rootModule)
		}
	}
	if system != nil {
		body := &bodySource{body: system.Body, rng: system.Range, site: s, skip: systemArguments}
		e.options.Define(option.Written{Value: body, Range: system.Range}, rootModule)
	}
	return e
}

// rootModule is the name of the directory that a command works on.
const rootModule = "."

// checkLater reports blocks that this version does not know yet, wherever in a
// body they stand.
func checkLater(body *syntax.Body) diag.List {
	var diags diag.List
	for _, b := range body.Blocks {
		if b.Type == "dynamic" || b.Type == "assert" {
			diags = append(diags, diag.Errorf(b.TypeRange, "Not supported yet", "%s", later[b.Type])...)
			continue
		}
		diags = append(diags, checkLater(b.Body)...)
	}
	return diags
}

// diagnostics returns what is wrong so far, sorted.
func (e *evaluator) diagnostics() diag.List {
	return append(slices.Clone(e.diags), e.options.Diagnostics()...).Sort()
}
