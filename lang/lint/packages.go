package lint

import "sysc/lang/syntax"

// duplicatePackages finds texts that stand in one list of packages twice.
func (r *run) duplicatePackages() {
	for _, top := range r.Definition.Module.Blocks {
		if !definesOptions(top) && top.Type != "derivation" && top.Type != "environment" {
			continue
		}
		if a := top.Body.Attr("packages"); a != nil {
			elements, _ := a.Expr.Elements()
			r.duplicates(elements)
		}
	}
}

func (r *run) duplicates(elements []*syntax.Expr) {
	seen := map[string]*syntax.Expr{}
	for _, e := range elements {
		name, ok := e.StringLiteral()
		if !ok {
			continue
		}
		if first, twice := seen[name]; twice {
			r.found(duplicatePackage, e.Range(), "Package named twice", "%q stands in this list already, at %s. Take one out.", name, first.Range())
			continue
		}
		seen[name] = e
	}
}
