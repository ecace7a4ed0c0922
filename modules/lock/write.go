package lock

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sysc/internal/atomicfile"
	"sysc/systems/distro/debian"
)

// Encode returns the file's bytes. Equal files have equal bytes.
func (f *File) Encode() ([]byte, error) {
	w := &writer{}
	w.open("{")
	w.entry("version", Version)
	w.key("inputs")
	w.open("{")
	for _, name := range sorted(f.Inputs) {
		w.input(name, f.Inputs[name])
	}
	w.close("}")
	if len(f.Modules) > 0 {
		w.key("modules")
		w.open("{")
		for _, key := range sorted(f.Modules) {
			w.entry(key, f.Modules[key])
		}
		w.close("}")
	}
	w.key("resolutions")
	w.open("{")
	w.resolutions(f.Resolutions)
	w.close("}")
	w.key("ids")
	w.open("{")
	w.ids("users", f.Users)
	w.ids("groups", f.Groups)
	w.close("}")
	w.close("}")
	if w.err != nil {
		return nil, fmt.Errorf("encode lock file: %v", w.err)
	}
	return append(w.buf.Bytes(), '\n'), nil
}

// Write replaces the file at path by one rename, durably.
func (f *File) Write(path string) error {
	data, err := f.Encode()
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// A writer writes JSON with one entry on each line.
type writer struct {
	buf   bytes.Buffer
	depth int
	// first is set behind an opening bracket, keyed behind a key.
	first, keyed bool
	err          error
}

func (w *writer) line() {
	if w.keyed {
		w.keyed = false
		return
	}
	if w.depth > 0 {
		if !w.first {
			w.buf.WriteByte(',')
		}
		w.buf.WriteByte('\n')
		w.buf.WriteString(strings.Repeat("  ", w.depth))
	}
	w.first = false
}

func (w *writer) open(bracket string) {
	w.line()
	w.buf.WriteString(bracket)
	w.depth++
	w.first = true
}

func (w *writer) close(bracket string) {
	w.depth--
	if !w.first {
		w.buf.WriteByte('\n')
		w.buf.WriteString(strings.Repeat("  ", w.depth))
	}
	w.buf.WriteString(bracket)
	w.first = false
}

func (w *writer) key(name string) {
	w.line()
	w.json(name)
	w.buf.WriteString(": ")
	w.keyed = true
}

// value writes v on one line.
func (w *writer) value(v any) {
	w.line()
	w.json(v)
}

func (w *writer) entry(name string, v any) {
	w.key(name)
	w.value(v)
}

func (w *writer) json(v any) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.buf.Write(bytes.TrimSuffix(line.Bytes(), []byte("\n")))
}

func (w *writer) input(name string, in Input) {
	if in.Type != typeDebian {
		w.entry(name, pinnedJSON{in.Type, in.Settings, in.Pin})
		return
	}
	w.key(name)
	w.open("{")
	w.entry("type", in.Type)
	w.entry("settings", in.Settings)
	w.indexes("indexes", in.Revision.Indexes)
	if len(in.Revision.Earlier) > 0 {
		w.indexes("earlier", in.Revision.Earlier)
	}
	w.close("}")
}

func (w *writer) indexes(key string, list []debian.Index) {
	w.key(key)
	w.open("[")
	for _, index := range list {
		w.value(index)
	}
	w.close("]")
}

// resolutions writes each list of packages once: many derivations are built with
// the same packages. The others name the first that has them.
func (w *writer) resolutions(all map[string]*Resolution) {
	first := map[string][]string{} // by request, names that were written in full
	for _, name := range sorted(all) {
		r := all[name]
		key := fmt.Sprintf("%#v", r.Request)
		i := slices.IndexFunc(first[key], func(other string) bool { return slices.Equal(all[other].Packages, r.Packages) })
		if i >= 0 {
			w.entry(name, sameJSON{SameAs: first[key][i]})
			continue
		}
		first[key] = append(first[key], name)
		w.resolution(name, r)
	}
}

func (w *writer) resolution(name string, r *Resolution) {
	w.key(name)
	w.open("{")
	w.key("request")
	w.request(r.Request)
	w.key("packages")
	w.open("[")
	for _, p := range sortedPackages(r.Packages) {
		w.value(p)
	}
	w.close("]")
	if s := r.Source; s != nil {
		w.key("source")
		w.open("{")
		w.entry("name", s.Name)
		w.entry("version", s.Version)
		w.entry("archive", s.Archive)
		w.key("files")
		w.open("[")
		for _, f := range s.Files {
			w.value(f)
		}
		w.close("]")
		w.close("}")
	}
	w.close("}")
}

// request writes each name on a line of its own.
func (w *writer) request(r Request) {
	w.open("{")
	w.entry("input", r.Input)
	w.entry("revision", r.Revision)
	w.entry("architecture", r.Architecture)
	w.entry("base", r.Base)
	if r.Recommends {
		w.entry("recommends", true)
	}
	if r.Build {
		w.entry("build", true)
	}
	if len(r.With) > 0 {
		w.key("with")
		w.open("[")
		for _, in := range r.With {
			w.value(in)
		}
		w.close("]")
	}
	if len(r.Pins) > 0 {
		w.names("pins", r.Pins)
	}
	if len(r.Exclude) > 0 {
		w.names("exclude", r.Exclude)
	}
	if len(r.Files) > 0 {
		w.key("files")
		w.open("[")
		for _, f := range r.Files {
			w.value(f)
		}
		w.close("]")
	}
	w.names("packages", r.Packages)
	w.close("}")
}

func (w *writer) names(key string, names []string) {
	w.key(key)
	w.open("[")
	for _, name := range names {
		w.value(name)
	}
	w.close("]")
}

func (w *writer) ids(name string, ids map[string]uint32) {
	w.key(name)
	w.open("{")
	for _, name := range sorted(ids) {
		w.key(name)
		w.keyed = false
		w.buf.WriteString(strconv.FormatUint(uint64(ids[name]), 10))
	}
	w.close("}")
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sortedPackages(packages []debian.Package) []debian.Package {
	return slices.SortedFunc(slices.Values(packages), func(a, b debian.Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Architecture, b.Architecture), strings.Compare(a.Version, b.Version))
	})
}
