package lint

import (
	"sysc/modules/option"
	"sysc/modules/source"
)

// remarks calls use for what the evaluation of options has to say, of one kind.
func (r *run) remarks(kind option.RemarkKind, use func(option.Remark)) {
	for _, remark := range r.remarked {
		if remark.Kind == kind {
			use(remark)
		}
	}
}

func (r *run) repeatedDefaults() {
	r.remarks(option.RemarkDefault, func(m option.Remark) {
		value := "is its default"
		if m.Option.Sensitive {
			value = "is that already"
		} else if m.Detail != "" {
			value = "is " + m.Detail + " already"
		}
		r.found(repeatedDefault, m.Range, "Definition repeats the default",
			"%s %s, and nothing else defines it. Take this out, or say by a lint:ignore comment why it should stay when the default changes.", m.Path, value)
	})
}

func (r *run) needlessForces() {
	r.remarks(option.RemarkForce, func(m option.Remark) {
		r.found(needlessForce, m.Range, "Force without need",
			"Nothing else defines %s but defaults, which yield to any definition. Write the value without force, so that another definition is a conflict that somebody sees.", m.Path)
	})
}

func (r *run) deprecated() {
	r.remarks(option.RemarkDeprecated, func(m option.Remark) {
		r.found(deprecatedName, m.Range, "Deprecated option", "%s", m.Detail)
	})
	for _, n := range r.project.OldNames() {
		r.found(deprecatedName, n.Range, "Deprecated name", "%s: %s", n.Name, n.Detail)
	}
}

// unpinnedModules finds modules of which any update brings whatever is there then.
func (r *run) unpinnedModules() {
	for _, u := range r.text.Definition.Uses {
		s, err := source.Parse(u.Source)
		if err != nil || !s.Package.IsGit() || u.Version != "" || s.Ref != "" {
			continue // what is wrong with it is an error, and a path has no versions
		}
		r.found(unpinnedModule, u.SourceRange, "Module of any version",
			"sysc.lock holds one commit, and sysc update takes whatever is newest, a new major version as well. Say which will do, as in\n\n  version = \"~> 1.2\"")
	}
}

// unusedModules finds modules of which nothing counts: their outputs are not read,
// and there is nothing in them that could be built by its address.
func (r *run) unusedModules() {
	for _, u := range r.text.Unread() {
		if !r.project.Builds(u.Name) {
			r.found(unusedModule, u.Block.Range, "Unused module",
				"import = false leaves the outputs of module.%[1]s alone, and nothing reads any. Take the block out, or take out import and name it in the modules of a system.", u.Name)
		}
	}
}
