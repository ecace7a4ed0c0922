package modules

import (
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/systems"
)

// Files that the options of kernel become.
const (
	// modulesFile is read by systemd-modules-load.service, see modules-load.d(5).
	modulesFile = "/etc/modules-load.d/sysc.conf"
	// blacklistFile is read by kmod, see modprobe.d(5).
	blacklistFile = "/etc/modprobe.d/sysc.conf"
	// sysctlFile is read by systemd-sysctl.service, behind what packages set, see
	// sysctl.d(5).
	sysctlFile = "/etc/sysctl.d/99-sysc.conf"
)

// modulePattern is the name of a kernel module.
const modulePattern = `[A-Za-z0-9_-]+`

// sysctlKey is a kernel parameter as sysctl.d(5) has it: with - in front for one that may
// be missing, and with wildcards.
var sysctlKey = regexp.MustCompile(`^-?[A-Za-z0-9_*][^\s=]*$`)

// kernel reads what is set of the kernel while the machine starts. paths are those that
// are declared.
func (r *reader) kernel(def *systems.Definition, paths map[string]diag.Range) {
	kernel := r.option(r.e.options.Root(), "kernel")
	loaded, blocked := r.texts(kernel, "modules"), r.texts(kernel, "blacklist")
	for i, name := range blocked {
		if j := slices.IndexFunc(loaded, func(other string) bool { return sameModule(other, name) }); j >= 0 {
			r.diags = append(r.diags, diag.Errorf(elementRange(r.option(kernel, "blacklist"), i, r.by), "Kernel module in two lists",
				"%s is in kernel.modules, too, at %s, and what is on the blacklist is not loaded there. Take it out of one of both.",
				name, elementRange(r.option(kernel, "modules"), j, r.by))...)
		}
	}
	made := []struct {
		option, path string
		lines        []string
	}{
		{"modules", modulesFile, unique(loaded, "")},
		{"blacklist", blacklistFile, unique(blocked, "blacklist ")},
		{"sysctl", sysctlFile, r.sysctl(r.option(kernel, "sysctl"), kernel)},
	}
	for _, f := range made {
		if len(f.lines) == 0 {
			continue
		}
		n := r.option(kernel, f.option)
		if other, ok := paths[f.path]; ok {
			r.errorf(n, "Path declared twice", "%s is made of %s, and it is declared at %s, too. Give the other file another name.", f.path, n.Path(), other)
		}
		const mode = 0o644
		def.Files = append(def.Files, systems.File{
			Path: f.path, Content: strings.Join(f.lines, "\n") + "\n", Mode: mode, User: "root", Group: "root", Position: position(n.Range()),
		})
	}
}

// sameModule reports whether two names are those of one module: - and _ are the same.
func sameModule(a, b string) bool {
	return strings.ReplaceAll(a, "-", "_") == strings.ReplaceAll(b, "-", "_")
}

// unique returns a line for each text that was not there before, in their order: modules
// are loaded in it.
func unique(texts []string, before string) []string {
	var lines []string
	for _, text := range texts {
		if line := before + text; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// sysctl returns the lines of kernel parameters, sorted.
func (r *reader) sysctl(n, kernel *option.Node) []string {
	v, ok := r.value(kernel, "sysctl")
	if !ok {
		return nil
	}
	var lines []string
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		key, value := k.AsString(), sysctlValue(e)
		if !sysctlKey.MatchString(key) || strings.ContainsAny(value, "\n\x00") {
			r.errorf(n, "Wrong kernel parameter", "%s: a name such as net.ipv4.ip_forward and a value of one line are required, got %q and %q.", n.Path(), key, value)
			continue
		}
		lines = append(lines, key+" = "+value)
	}
	slices.Sort(lines)
	return lines
}

// sysctlValue is a value as the kernel reads it.
func sysctlValue(v cty.Value) string {
	switch {
	case v.Type() == cty.Bool && v.True():
		return "1"
	case v.Type() == cty.Bool:
		return "0"
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', 0)
	}
	return v.AsString()
}
