package systems

import (
	"fmt"
	"slices"

	"sysc/derivations"
	"sysc/derivations/builtin"
)

// The builders of a system's derivations.
const (
	declareBuilder  = "builtin:declare"
	assembleBuilder = "builtin:system"
)

// Builtins returns the steps that realise what [Compose] adds to a graph.
func Builtins() map[string]builtin.Func {
	return map[string]builtin.Func{
		declareBuilder:  declare,
		assembleBuilder: assemble,
	}
}

// declareAttrs is what "builtin:declare" is told: the root to begin with, and
// what a definition declares on top of it.
type declareAttrs struct {
	Kind        Kind         `json:"kind,omitempty"`
	Root        string       `json:"root"`
	Initrd      string       `json:"initrd,omitempty"` // the directory that it stands in
	Hostname    string       `json:"hostname,omitempty"`
	Files       []File       `json:"files,omitempty"`
	Directories []Directory  `json:"directories,omitempty"`
	Symlinks    []Symlink    `json:"symlinks,omitempty"`
	MountPoints []MountPoint `json:"mount_points,omitempty"`
	Users       []User       `json:"users,omitempty"`
	Groups      []Group      `json:"groups,omitempty"`
	Units       []Unit       `json:"units,omitempty"`
}

// positions yields what messages call each declaration, and its position.
func (a *declareAttrs) positions(yield func(what string, position *string)) {
	for i := range a.Files {
		yield(a.Files[i].declaration().what, &a.Files[i].Position)
	}
	for i := range a.Directories {
		yield(a.Directories[i].declaration().what, &a.Directories[i].Position)
	}
	for i := range a.Symlinks {
		yield(a.Symlinks[i].declaration().what, &a.Symlinks[i].Position)
	}
	for i := range a.MountPoints {
		yield(a.MountPoints[i].declaration().what, &a.MountPoints[i].Position)
	}
	for i := range a.Users {
		yield(a.Users[i].declaration().what, &a.Users[i].Position)
	}
	for i := range a.Groups {
		yield(a.Groups[i].declaration().what, &a.Groups[i].Position)
	}
	for i := range a.Units {
		yield(a.Units[i].declaration().what, &a.Units[i].Position)
	}
}

// takePositions takes the positions out and returns them by what they are of: a
// comment above a declaration makes no other derivation.
func (a *declareAttrs) takePositions() map[string]string {
	a.Files, a.Directories, a.Symlinks = slices.Clone(a.Files), slices.Clone(a.Directories), slices.Clone(a.Symlinks)
	a.MountPoints = slices.Clone(a.MountPoints)
	a.Users, a.Groups, a.Units = slices.Clone(a.Users), slices.Clone(a.Groups), slices.Clone(a.Units)
	places := make(map[string]string)
	a.positions(func(what string, position *string) {
		if *position != "" {
			places[what], *position = *position, ""
		}
	})
	return places
}

// assembleAttrs is what "builtin:system" is told. Digests, sizes and owners'
// numbers are read from the root, so a file's contents are not repeated.
type assembleAttrs struct {
	Root     string   `json:"root"`
	Manifest Manifest `json:"manifest"`
}

// Compose adds the derivations of a system or home to g and returns the output that
// holds the system object ([Load] reads it): one derivation that puts what def
// declares on top of its root, at the cost of what it declares, and one that
// lists the result in a manifest.
//
// It fails on a definition that contradicts itself, naming the positions of the
// declarations; what only the root can tell (a file where the root has a
// directory, an owner that does not exist) fails when the derivation is built.
// def's lists need not be sorted.
func Compose(g *derivations.Graph, definition Definition) (derivations.Ref, error) {
	def := definition.sorted()
	o := derivations.Origin{Label: def.Kind.Address(def.Name), Position: def.Position}
	if err := def.check(); err != nil {
		return derivations.Ref{}, fmt.Errorf("compose %s %s: %w", def.Kind, def.Name, err)
	}
	root, err := g.Placeholder(def.Root)
	if err != nil {
		return derivations.Ref{}, fmt.Errorf("compose %s %s: %v", def.Kind, def.Name, err)
	}
	initrd, err := addInitrd(g, def, root, o)
	if err != nil {
		return derivations.Ref{}, fmt.Errorf("compose %s %s: %w", def.Kind, def.Name, err)
	}
	attrs := declareAttrs{
		Kind: def.Kind, Root: root, Initrd: initrd, Hostname: def.Hostname,
		Files: def.Files, Directories: def.Directories, Symlinks: def.Symlinks, MountPoints: def.MountPoints,
		Users: def.Users, Groups: def.Groups, Units: def.Units,
	}
	places := attrs.takePositions()
	tree := map[Kind]string{Machine: "-root", Home: "-home"}[def.Kind]
	declared, err := add(g, def.Name+tree, declareBuilder, derivations.Origin{Label: o.Label, Position: o.Position, Places: places}, attrs)
	if err != nil {
		return derivations.Ref{}, fmt.Errorf("compose %s %s: %w", def.Kind, def.Name, err)
	}
	manifest, _ := MakeManifest(*def, func(text string) (string, bool) { return text, true })
	system, err := add(g, def.Kind.String()+"-"+def.Name, assembleBuilder, o, assembleAttrs{
		Root: declared.path, Manifest: *outline(manifest),
	})
	if err != nil {
		return derivations.Ref{}, fmt.Errorf("compose %s %s: %w", def.Kind, def.Name, err)
	}
	return system.ref, nil
}

type added struct {
	ref  derivations.Ref
	path string
}

func add(g *derivations.Graph, name, builder string, o derivations.Origin, attrs any) (added, error) {
	canonical, err := derivations.MakeAttrs(attrs)
	if err != nil {
		return added{}, err
	}
	hash, err := g.Add(derivations.Derivation{Name: name, Platform: "any", Builder: builder, Attrs: canonical}, o)
	if err != nil {
		return added{}, err
	}
	ref := derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput}
	path, err := g.Placeholder(ref)
	return added{ref: ref, path: path}, err
}

// outline returns m without what the step reads from the root, so that changing
// a file's contents changes one derivation's attributes and not two.
func outline(m *Manifest) *Manifest {
	out := m.withoutPositions()
	for i := range out.Files {
		out.Files[i].Digest, out.Files[i].Size = zeroDigest, 0
	}
	for i := range out.Units {
		out.Units[i].Digest = zeroDigest
	}
	return out
}

// sorted returns a copy of d with every list in its order.
func (d *Definition) sorted() *Definition {
	c := *d
	c.Packages = sortedBy(d.Packages, func(p Package) string { return p.Name + ":" + p.Architecture })
	c.Files = sortedBy(d.Files, func(f File) string { return f.Path })
	c.Directories = sortedBy(d.Directories, func(x Directory) string { return x.Path })
	c.Symlinks = sortedBy(d.Symlinks, func(l Symlink) string { return l.Path })
	c.MountPoints = sortedBy(d.MountPoints, func(m MountPoint) string { return m.Path })
	c.Users = sortedBy(d.Users, func(u User) string { return u.Name })
	c.Groups = sortedBy(d.Groups, func(g Group) string { return g.Name })
	c.Units = sortedBy(d.Units, func(u Unit) string { return u.Name })
	c.HealthChecks = sortedBy(d.HealthChecks, func(h HealthCheck) string { return h.Name })
	return &c
}

func sortedBy[T any](list []T, key func(T) string) []T {
	byKey := func(a, b T) int {
		switch ka, kb := key(a), key(b); {
		case ka < kb:
			return -1
		case ka > kb:
			return 1
		}
		return 0
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, byKey)
	return out
}

// check reports what a definition contradicts itself in.
func (d *Definition) check() error {
	paths := map[string]declaration{}
	claim := func(this declaration, path string) error {
		if err := checkPath(path); err != nil {
			return this.errorf("%v", err)
		}
		if other, ok := paths[path]; ok {
			return this.errorf("also declared%s", other.at())
		}
		paths[path] = this
		if d.Kind == Home {
			if err := CheckHomePath(path); err != nil {
				return this.errorf("%v", err)
			}
		}
		return nil
	}
	for _, f := range d.Files {
		if err := claim(f.declaration(), f.Path); err != nil {
			return err
		}
		if f.Content != "" && f.Source != "" {
			return f.declaration().errorf("has both content and source")
		}
	}
	for _, x := range d.Directories {
		if err := claim(x.declaration(), x.Path); err != nil {
			return err
		}
	}
	for _, l := range d.Symlinks {
		if err := claim(l.declaration(), l.Path); err != nil {
			return err
		}
	}
	return d.checkNames()
}

func (d *Definition) checkNames() error {
	seen := map[string]declaration{}
	once := func(this declaration) error {
		if other, ok := seen[this.what]; ok {
			return this.errorf("also declared%s", other.at())
		}
		seen[this.what] = this
		return nil
	}
	for _, u := range d.Users {
		if err := once(u.declaration()); err != nil {
			return err
		}
	}
	for _, g := range d.Groups {
		if err := once(g.declaration()); err != nil {
			return err
		}
	}
	for _, u := range d.Units {
		if err := once(u.declaration()); err != nil {
			return err
		}
		if err := checkUnit(u); err != nil {
			return u.declaration().errorf("%v", err)
		}
	}
	for _, c := range d.HealthChecks {
		if err := once(c.declaration()); err != nil {
			return err
		}
		if err := c.Check(); err != nil {
			return c.declaration().errorf("%v", err)
		}
	}
	return nil
}
