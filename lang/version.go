package lang

import (
	"github.com/hashicorp/go-version"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// checkRequired compares the version of this program with the constraints in
// sysc blocks. It looks at nothing else, so that a definition for another version
// gets this answer rather than one about blocks that this version does not know.
func checkRequired(m *syntax.Module, running string) diag.List {
	var diags diag.List
	for _, b := range m.Blocks {
		if b.Type != "sysc" {
			continue
		}
		if a := b.Body.Attr("required_version"); a != nil {
			diags = append(diags, checkConstraint(a, running)...)
		}
	}
	return diags
}

func checkConstraint(a *syntax.Attr, running string) diag.List {
	text, ok := a.Expr.StringLiteral()
	if !ok {
		return diag.Errorf(a.Expr.Range(), "Invalid version constraint",
			"A version constraint is a text in quotes without interpolation, as in \"~> 0.3\".")
	}
	const maxLen = 500
	constraints, err := version.NewConstraint(text)
	if err != nil || len(text) > maxLen {
		return diag.Errorf(a.Expr.Range(), "Invalid version constraint",
			"%q is not a version constraint. It is made of =, !=, >, >=, <, <=, ~> and versions, separated by commas, as in \">= 0.3, < 0.5\".", text)
	}
	if running == "" {
		return nil
	}
	v, err := version.NewVersion(running)
	if err != nil {
		return nil // a build of the program without a version fits all
	}
	if constraints.Check(v) {
		return nil
	}
	return diag.Errorf(a.Expr.Range(), "Unsupported version of sysc",
		"This definition requires sysc %s, and this is version %s. Install a version that fits, or change required_version.", text, running)
}
