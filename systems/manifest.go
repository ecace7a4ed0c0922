package systems

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"sysc/store"
)

// ManifestFormat is the version of a manifest's layout. A reader refuses any
// other.
const ManifestFormat = 1

// MaxManifest bounds the size of a manifest in bytes.
const MaxManifest = 64 << 20

// ManifestName is the manifest's name in a system object.
const ManifestName = "manifest.json"

// A Manifest lists what a system is made of: every fact that a plan, a
// comparison or a status shows. It is the only file of a system object, so two
// systems with equal manifests are one object.
//
// Where the definition stood and which revision it was is left out of the
// encoding on purpose ([Provenance] goes into a generation's record): a comment
// added to a definition, or the commit that follows a switch, makes no other
// system, and every machine that builds the same content gets the same object.
type Manifest struct {
	Format int `json:"format"`
	// Kind is that of the definition. A home has paths that are absolute below the home
	// directory, and what is in it belongs to its user, whatever owners say.
	Kind     Kind   `json:"kind,omitempty"`
	Name     string `json:"name"`
	Platform string `json:"platform"`
	Hostname string `json:"hostname,omitempty"`
	// Root is the file system of the system.
	Root Root `json:"root"`
	// Kernel is the newest kernel in Root, nil for a system without one, as a
	// container is. Initrd belongs to it and is nil when there is none.
	Kernel       *Kernel   `json:"kernel,omitempty"`
	Initrd       *BootFile `json:"initrd,omitempty"`
	KernelParams []string  `json:"kernel_params,omitempty"`
	// Boot says how generations are offered for booting.
	Boot BootSettings `json:"boot,omitzero"`
	// Packages, Users, Groups and Units are sorted by name, Files, Directories
	// and Symlinks by path. A name or path occurs once; of a package, once for
	// each architecture.
	Packages    []Package       `json:"packages"`
	Files       []DeclaredFile  `json:"files"`
	Directories []DeclaredEntry `json:"directories"`
	Symlinks    []Symlink       `json:"symlinks"`
	Users       []User          `json:"users"`
	Groups      []Group         `json:"groups"`
	Units       []DeclaredUnit  `json:"units"`
	// HealthChecks are sorted by name.
	HealthChecks []HealthCheck `json:"health_checks,omitempty"`
}

// Root is a root object: a file system with owners and modes, kept as a tree.
type Root struct {
	Path store.Path `json:"path"`
	// Tree is the digest of the tree of its top directory.
	Tree store.Digest `json:"tree"`
}

// A BootFile is a file of the root that the boot loader reads.
type BootFile struct {
	Path   string       `json:"path"` // absolute, in the root
	Digest store.Digest `json:"digest"`
	Size   int64        `json:"size"` // bytes
}

// A Kernel is a kernel image of the root.
type Kernel struct {
	// Version is what follows "vmlinuz-" in its name.
	Version string `json:"version"`
	BootFile
}

// A DeclaredEntry is what a declared file or directory has in common.
type DeclaredEntry struct {
	Path string `json:"path"` // as declared: absolute and clean
	// Resolved is where Path leads in the root when a symbolic link stands on
	// the way, as in /bin/x with /bin -> usr/bin; else empty.
	Resolved string `json:"resolved,omitempty"`
	Mode     uint32 `json:"mode"`
	User     string `json:"user"`
	Group    string `json:"group"`
	// UID and GID are what User and Group are in the root.
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// Position is where it is declared, "file:line". It is known of a manifest
	// made from a definition only.
	Position string `json:"-"`
}

// Place returns where the entry stands in the root.
func (e DeclaredEntry) Place() string { return cmp.Or(e.Resolved, e.Path) }

// A DeclaredFile is a declared file.
type DeclaredFile struct {
	DeclaredEntry
	// Digest is that of the contents. It is zero in a manifest made from a
	// definition when the contents depend on what is not built yet.
	Digest store.Digest `json:"digest"`
	Size   int64        `json:"size"` // bytes
}

// A DeclaredUnit is a declared systemd unit.
type DeclaredUnit struct {
	Name string `json:"name"`
	// Digest is that of the unit's text, zero when a package ships the unit, or,
	// as in [DeclaredFile], when it is not known yet (Pending).
	Digest   store.Digest `json:"digest,omitzero"`
	Enable   bool         `json:"enable"`
	WantedBy []string     `json:"wanted_by,omitempty"`
	Mask     bool         `json:"mask,omitempty"`
	// Pending is set when the text depends on what is not built yet.
	Pending  bool   `json:"-"`
	Position string `json:"-"`
}

// Encode returns the manifest's canonical encoding: JSON with the fields in the
// order of the type, indented by two spaces, ending in a newline. It fails on a
// manifest that is not complete: one with contents that are not known.
func (m *Manifest) Encode() ([]byte, error) {
	for _, f := range m.Files {
		if f.Digest.IsZero() {
			return nil, fmt.Errorf("encode manifest of %s: contents of %s are not known", m.Name, f.Path)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m.withoutPositions()); err != nil {
		return nil, fmt.Errorf("encode manifest of %s: %v", m.Name, err)
	}
	return b.Bytes(), nil
}

// withoutPositions returns a copy that says nothing of where in a definition
// things stand, with lists that are never nil.
func (m *Manifest) withoutPositions() *Manifest {
	c := *m
	c.Packages = cloneList(m.Packages)
	c.Files = cloneList(m.Files)
	c.Directories = cloneList(m.Directories)
	c.Symlinks = cloneList(m.Symlinks)
	c.Users = cloneList(m.Users)
	c.Groups = cloneList(m.Groups)
	c.Units = cloneList(m.Units)
	c.HealthChecks = slices.Clone(m.HealthChecks)
	c.positions(func(_, _ string, position *string) { *position = "" })
	return &c
}

// positions yields where each declaration stands, with what it is.
func (m *Manifest) positions(yield func(kind, name string, position *string)) {
	for i := range m.Files {
		yield("file", m.Files[i].Path, &m.Files[i].Position)
	}
	for i := range m.Directories {
		yield("directory", m.Directories[i].Path, &m.Directories[i].Position)
	}
	for i := range m.Symlinks {
		yield("symlink", m.Symlinks[i].Path, &m.Symlinks[i].Position)
	}
	for i := range m.Users {
		yield("user", m.Users[i].Name, &m.Users[i].Position)
	}
	for i := range m.Groups {
		yield("group", m.Groups[i].Name, &m.Groups[i].Position)
	}
	for i := range m.Units {
		yield("unit", m.Units[i].Name, &m.Units[i].Position)
	}
	for i := range m.HealthChecks {
		yield("health_check", m.HealthChecks[i].Name, &m.HealthChecks[i].Position)
	}
}

// WithPositions returns a copy of a manifest that was read, with the positions that
// one made from the definition has.
func (m *Manifest) WithPositions(from *Manifest) *Manifest {
	type declaration struct{ kind, name string }
	places := map[declaration]string{}
	from.positions(func(kind, name string, position *string) { places[declaration{kind, name}] = *position })
	c := m.withoutPositions()
	c.positions(func(kind, name string, position *string) { *position = places[declaration{kind, name}] })
	return c
}

func cloneList[T any](s []T) []T { return append(make([]T, 0, len(s)), s...) }

// ParseManifest reads what [Manifest.Encode] wrote, and nothing else: unknown
// fields, another format, lists out of order or names twice are errors.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifest {
		return nil, fmt.Errorf("parse manifest: %d bytes, at most %d", len(data), MaxManifest)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	m := &Manifest{}
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("parse manifest: %v", err)
	}
	if m.Format != ManifestFormat {
		return nil, fmt.Errorf("parse manifest: format %d, this sysc reads format %d", m.Format, ManifestFormat)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("parse manifest: %v", err)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("parse manifest: %v", err)
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("parse manifest: not in canonical form")
	}
	return m, nil
}

// check reports what is wrong with m's order and names.
func (m *Manifest) check() error {
	if err := store.CheckName(m.Name); err != nil {
		return err
	}
	if m.Kind != Machine && m.Kind != Home {
		return fmt.Errorf("unknown kind %q", m.Kind)
	}
	if _, err := store.ParsePath(string(m.Root.Path)); err != nil {
		return err
	}
	return cmp.Or(
		increasing("package", m.Packages, func(p Package) string { return p.Name + ":" + p.Architecture }),
		increasing("file", m.Files, func(f DeclaredFile) string { return f.Path }),
		increasing("directory", m.Directories, func(d DeclaredEntry) string { return d.Path }),
		increasing("symbolic link", m.Symlinks, func(l Symlink) string { return l.Path }),
		increasing("user", m.Users, func(u User) string { return u.Name }),
		increasing("group", m.Groups, func(g Group) string { return g.Name }),
		increasing("unit", m.Units, func(u DeclaredUnit) string { return u.Name }),
		increasing("health check", m.HealthChecks, func(c HealthCheck) string { return c.Name }),
		m.checkHealth(),
		m.checkPaths(),
	)
}

// checkPaths holds every path in m to be absolute and clean: they are used to
// find places on a machine.
func (m *Manifest) checkHealth() error {
	for _, c := range m.HealthChecks {
		if err := c.Check(); err != nil {
			return fmt.Errorf("health check %s: %v", c.Name, err)
		}
	}
	return nil
}

func (m *Manifest) checkPaths() error {
	for _, f := range m.Files {
		if err := cmp.Or(checkPath(f.Path), checkPath(f.Place())); err != nil {
			return err
		}
	}
	for _, d := range m.Directories {
		if err := cmp.Or(checkPath(d.Path), checkPath(d.Place())); err != nil {
			return err
		}
	}
	for _, l := range m.Symlinks {
		if err := checkPath(l.Path); err != nil {
			return err
		}
	}
	return nil
}

func increasing[T any](what string, list []T, key func(T) string) error {
	for i := 1; i < len(list); i++ {
		if key(list[i-1]) >= key(list[i]) {
			return fmt.Errorf("%s %q after %q", what, key(list[i]), key(list[i-1]))
		}
	}
	return nil
}

// Digest returns the digest of the manifest's encoding.
func (m *Manifest) Digest() (store.Digest, error) {
	data, err := m.Encode()
	if err != nil {
		return store.Digest{}, err
	}
	return store.DigestOf(data), nil
}

// Contents are texts by their digests: what a definition's files and units hold.
type Contents map[store.Digest]string

// MakeManifest returns what of def's manifest is known before anything is built,
// and the contents that it names. known replaces the placeholders in a text by
// what stands for them, or says that it does not know yet; nil knows nothing. def's lists
// need not be sorted.
// Root, Kernel, Initrd, Resolved and owners' numbers are left out.
func MakeManifest(def Definition, known func(text string) (string, bool)) (*Manifest, Contents) {
	def = *def.sorted()
	if known == nil {
		known = func(text string) (string, bool) { return text, !mentionsStore(text) }
	}
	m := &Manifest{
		Format: ManifestFormat, Kind: def.Kind, Name: def.Name, Platform: def.Platform, Hostname: def.Hostname,
		KernelParams: slices.Clone(def.KernelParams), Boot: def.Boot,
		Packages: cloneList(def.Packages), Symlinks: cloneList(def.Symlinks),
		Users: cloneList(def.Users), Groups: cloneList(def.Groups),
		HealthChecks: slices.Clone(def.HealthChecks),
	}
	if def.Initrd != nil {
		m.Boot.Initrd = InitrdSysc
	}
	contents := Contents{}
	for _, f := range def.Files {
		out := DeclaredFile{DeclaredEntry: declared(f.Path, f.Mode, f.User, f.Group, f.Position)}
		out.Digest, out.Size = f.Digest, f.Size
		if text, ok := known(f.Content); ok && f.Source == "" {
			out.Digest, out.Size = contents.add(text), int64(len(text))
		}
		m.Files = append(m.Files, out)
	}
	for _, d := range def.Directories {
		m.Directories = append(m.Directories, declared(d.Path, d.Mode, d.User, d.Group, d.Position))
	}
	for i, l := range m.Symlinks {
		if target, ok := known(l.Target); ok {
			m.Symlinks[i].Target = target
		}
	}
	for _, u := range def.Units {
		out := DeclaredUnit{Name: u.Name, Enable: u.Enable, WantedBy: slices.Clone(u.WantedBy), Mask: u.Mask, Position: u.Position}
		if text, ok := known(u.Content); !ok {
			out.Pending = true
		} else if u.Content != "" {
			out.Digest = contents.add(text)
		}
		m.Units = append(m.Units, out)
	}
	return m, contents
}

func (c Contents) add(text string) store.Digest {
	d := store.DigestOf([]byte(text))
	c[d] = text
	return d
}

func declared(path string, mode uint32, user, group, position string) DeclaredEntry {
	return DeclaredEntry{Path: path, Mode: mode, User: cmp.Or(user, "root"), Group: cmp.Or(group, "root"), Position: position}
}
