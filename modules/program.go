package modules

import (
	"runtime"

	"sysc/lang/diag"
	"sysc/systems"
)

// program adds sysc itself to what a system declares, if it is to have that.
func (s *System) program(r *reader, def *systems.Definition) diag.List {
	boot := r.option(s.e.options.Root(), "boot")
	n := r.option(boot, "sysc")
	v, ok := r.value(boot, "sysc")
	if !ok {
		return nil
	}
	given := !v.IsNull()
	wanted := given && v.True() || !given && def.Initrd != nil
	program := s.w.p.opts.Program
	if !wanted || program == nil {
		return nil
	}
	own := runtime.GOOS + "/" + runtime.GOARCH
	if def.Platform != own {
		if !given {
			return nil
		}
		return diag.Errorf(rangeOf(n, r.by), "No sysc for the platform",
			"This sysc is for %s and the system for %s: it has to be built there to have sysc. Leave boot.sysc out, and the system is one without.", own, def.Platform)
	}
	file, err := program()
	if err == nil {
		err = systems.AddProgram(s.w.graph, def, file, s.Origin)
	}
	if err != nil {
		return diag.Errorf(rangeOf(n, r.by), "Cannot add sysc", "%v.", err)
	}
	return nil
}
