package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"sysc/lang/format"
	"sysc/systems/distro/debian/hostscan"
)

// unitsDir and filesDir are where init --from-host puts unit files, and configuration
// files of packages, below the definition.
const (
	unitsDir = "units"
	filesDir = "files"
)

// writeHost writes a definition of what a machine has: its unit files, and then the
// text that uses them.
func (a *app) writeHost(path, name string, h *hostscan.Host) error {
	dir := filepath.Join(filepath.Dir(path), unitsDir)
	for _, u := range h.Units {
		if u.Masked {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("write %s: %w", dir, err)
		}
		if err := createFile(filepath.Join(dir, u.Name), u.Content); err != nil {
			return err
		}
	}
	for _, f := range h.Files {
		copied := filepath.Join(filepath.Dir(path), filesDir, f.Path)
		if err := os.MkdirAll(filepath.Dir(copied), 0o777); err != nil {
			return fmt.Errorf("write %s: %w", copied, err)
		}
		if err := createFile(copied, f.Content); err != nil {
			return err
		}
	}
	text, diags := format.Source(hostDefinition(name, h), path)
	if err := a.diagnose(diags, nil); err != nil {
		return err
	}
	if err := createFile(path, text); err != nil {
		return err
	}
	for _, text := range h.Left {
		a.say("Left out: %s", printableLine(text))
	}
	return nil
}

// hostDefinition is the text, whose layout is still to be made.
func hostDefinition(name string, h *hostscan.Host) []byte {
	w := &definitionWriter{}
	w.line("# The definition of %s, from what the machine had. What it may say: sysc options.", printableLine(cmp.Or(h.Name, name)))
	if len(h.Left) > 0 {
		w.line("#")
		w.line("# Left out:")
		for _, text := range h.Left {
			w.line("# - %s", printableLine(text))
		}
	}
	w.line("")
	w.line("# Where packages come from. sysc.lock holds what it has today.")
	w.line("input \"debian\" {")
	w.attr("type", format.Text("debian"))
	w.attr("suites", format.Texts([]string{h.Suite}))
	w.line("}\n\nsystem %q {", name)
	w.line("base = input.debian")
	if nameFromHost(h.Name) == h.Name && h.Name != name {
		w.attr("hostname", format.Text(h.Name))
	}
	w.line("\npackages = [")
	for _, p := range h.Packages {
		w.line("%s,", format.Text(p))
	}
	w.line("]")
	if h.Timezone != "" {
		w.line("\ntime {")
		w.attr("timezone", format.Text(h.Timezone))
		w.line("}")
	}
	if h.Locale != "" {
		w.line("\ni18n {")
		w.attr("locale", format.Text(h.Locale))
		w.line("}")
	}
	w.accounts(h)
	w.units(h)
	w.files(h)
	w.line("}")
	return w.Bytes()
}

// A definitionWriter writes lines of a definition.
type definitionWriter struct{ bytes.Buffer }

func (w *definitionWriter) line(text string, args ...any) {
	fmt.Fprintf(w, text+"\n", args...)
}

func (w *definitionWriter) attr(name, expression string) { w.line("%s = %s", name, expression) }

func (w *definitionWriter) accounts(h *hostscan.Host) {
	for _, g := range h.Groups {
		w.line("\ngroup %s {", format.Text(g.Name))
		w.attr("gid", fmt.Sprint(g.GID))
		if len(g.Members) > 0 {
			w.attr("members", format.Texts(g.Members))
		}
		w.line("}")
	}
	for _, u := range h.Users {
		w.line("\nuser %s {", format.Text(u.Name))
		w.attr("uid", fmt.Sprint(u.UID))
		for _, f := range []struct{ name, value, usual string }{
			{"group", u.Group, ""}, {"description", u.Description, ""}, {"home", u.Home, "/home/" + u.Name}, {"shell", u.Shell, "/bin/bash"},
		} {
			if f.value != f.usual {
				w.attr(f.name, format.Text(f.value))
			}
		}
		if len(u.Groups) > 0 {
			w.attr("groups", format.Texts(u.Groups))
		}
		w.line("}")
	}
}

func (w *definitionWriter) units(h *hostscan.Host) {
	for _, u := range h.Units {
		w.line("\nunit %s {", format.Text(u.Name))
		switch {
		case u.Masked:
			w.attr("mask", "true")
		default:
			w.line("content = file(%s)", format.Text(unitsDir+"/"+u.Name))
			if len(u.WantedBy) > 0 {
				w.attr("wanted_by", format.Texts(u.WantedBy))
			} else if bytes.Contains(u.Content, []byte("[Install]")) {
				w.attr("enable", "false")
			}
		}
		w.line("}")
	}
}

func (w *definitionWriter) files(h *hostscan.Host) {
	for _, f := range h.Files {
		w.line("\n# It was changed from what %s has.", printableLine(f.Package))
		w.line("file %s {", format.Text(f.Path))
		w.line("content = file(%s)", format.Text(filesDir+f.Path))
		if f.Mode != 0o644 {
			w.attr("mode", fmt.Sprintf("\"%04o\"", f.Mode))
		}
		if f.Owner != "" {
			w.attr("user", format.Text(f.Owner))
		}
		if f.Group != "" {
			w.attr("group", format.Text(f.Group))
		}
		w.line("}")
	}
}

// printableLine is a text that has one line and moves no cursor.
func printableLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}
