package systems

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
)

// Where dpkg's database is. It belongs to the generation, so that it rolls back
// with the packages that it describes; /var is the machine's, so there it is a
// link.
const (
	dpkgPath   = "var/lib/dpkg"
	dpkgHome   = "usr/lib/sysc/dpkg"
	dpkgTarget = "../../usr/lib/sysc/dpkg"
)

// declare is "builtin:declare": it puts what a definition declares on top of a
// root. It reads and writes listings of the directories that it changes and the
// declared files, nothing else, so its cost does not grow with the root.
//
// Order: links, then directories, then files, units, homes and mount points, each in
// the order of their paths, so that a path may lead through a declared link.
func declare(ctx context.Context, s *builtin.Step) error {
	var attrs declareAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	attrs.positions(func(what string, position *string) { *position = s.Places[what] })
	base, rest, err := s.Object(ctx, attrs.Root)
	if err != nil {
		return err
	}
	if base.Kind != store.KindRoot || rest != "" {
		return fmt.Errorf("declare on %s: a %s is not a root", attrs.Root, base.Kind)
	}
	d := &declarer{kind: attrs.Kind, step: s, builder: tree.NewBuilder(s.Store, base.Tree), taken: map[string]declaration{}, refs: map[store.Path]bool{}}
	for _, p := range base.References {
		d.refs[p] = true
	}
	if err := d.all(ctx, &attrs); err != nil {
		return err
	}
	digest, _, err := d.builder.Write(ctx, s.Store)
	if err != nil {
		return err
	}
	s.SetTree("out", store.KindRoot, digest, slices.Sorted(maps.Keys(d.refs)))
	return nil
}

// A declarer changes one root.
type declarer struct {
	kind     Kind
	step     *builtin.Step
	builder  *tree.Builder
	accounts *accounts
	taken    map[string]declaration // by place in the root
	refs     map[store.Path]bool
}

func (d *declarer) all(ctx context.Context, attrs *declareAttrs) error {
	if err := d.moveDpkg(ctx); err != nil {
		return err
	}
	if err := d.placeInitrds(ctx, attrs.Initrd); err != nil {
		return err
	}
	if err := d.addAccounts(ctx, attrs); err != nil {
		return err
	}
	for _, l := range attrs.Symlinks {
		if err := d.symlink(ctx, l); err != nil {
			return err
		}
	}
	for _, x := range attrs.Directories {
		if err := d.directory(ctx, x); err != nil {
			return err
		}
	}
	for _, f := range attrs.Files {
		if err := d.file(ctx, f); err != nil {
			return err
		}
	}
	if err := d.hostname(ctx, attrs.Hostname); err != nil {
		return err
	}
	for _, u := range attrs.Units {
		if err := d.unit(ctx, u); err != nil {
			return err
		}
	}
	if err := d.homes(ctx, attrs.Users); err != nil {
		return err
	}
	return d.mountPoints(ctx, attrs.MountPoints)
}

// moveDpkg moves dpkg's database to where the generation keeps it.
func (d *declarer) moveDpkg(ctx context.Context) error {
	e, ok, err := d.builder.Get(ctx, dpkgPath)
	if err != nil || !ok || e.Type != tree.Dir {
		return err
	}
	if err := d.builder.Put(ctx, dpkgHome, e); err != nil {
		return err
	}
	if err := d.builder.Remove(ctx, dpkgPath); err != nil {
		return err
	}
	return d.builder.Put(ctx, dpkgPath, tree.Entry{Type: tree.Link, Mode: 0o777, Target: dpkgTarget})
}

func (d *declarer) symlink(ctx context.Context, l Symlink) error {
	this := l.declaration()
	if l.Target == "" || len(l.Target) > tree.MaxTarget || strings.IndexByte(l.Target, 0) >= 0 {
		return this.errorf("its target %q is not a path", l.Target)
	}
	d.scan(l.Target)
	return d.put(ctx, this, l.Path, tree.Entry{Type: tree.Link, Mode: 0o777, Target: l.Target})
}

func (d *declarer) directory(ctx context.Context, x Directory) error {
	this := x.declaration()
	uid, gid, err := d.owner(this, x.User, x.Group)
	if err != nil {
		return err
	}
	place, err := d.claim(ctx, this, x.Path, true)
	if err != nil {
		return err
	}
	if e, ok, err := d.builder.Get(ctx, place); err != nil {
		return err
	} else if ok && e.Type != tree.Dir {
		return this.errorf("the root has a file there")
	}
	return d.builder.Mkdir(ctx, place, tree.Entry{Type: tree.Dir, Mode: x.Mode & 0o7777, UID: uid, GID: gid})
}

func (d *declarer) file(ctx context.Context, f File) error {
	this := f.declaration()
	uid, gid, err := d.owner(this, f.User, f.Group)
	if err != nil {
		return err
	}
	e, err := d.contents(ctx, this, f)
	if err != nil {
		return err
	}
	return d.put(ctx, this, f.Path, tree.Entry{
		Type: tree.File, Mode: f.Mode & 0o7777, UID: uid, GID: gid, Size: e.Size, Digest: e.Digest,
	})
}

// contents returns an entry with the digest and size of what f holds, and takes
// note of the objects that it names.
func (d *declarer) contents(ctx context.Context, this declaration, f File) (tree.Entry, error) {
	if f.Source == "" {
		return d.text(ctx, f.Content)
	}
	obj, _, err := d.step.Object(ctx, f.Source)
	if err != nil {
		return tree.Entry{}, this.errorf("%v", err)
	}
	e, err := d.step.File(ctx, f.Source)
	if err != nil {
		return tree.Entry{}, this.errorf("%v", err)
	}
	// What the file itself names is not known without reading it; all that its
	// object names is a safe answer that costs nothing.
	for _, p := range obj.References {
		d.refs[p] = true
	}
	if len(obj.SelfReferences) > 0 {
		d.refs[obj.Path] = true
	}
	return e, nil
}

func (d *declarer) text(ctx context.Context, text string) (tree.Entry, error) {
	d.scan(text)
	digest, size, err := d.step.Store.AddBlob(ctx, strings.NewReader(text))
	return tree.Entry{Type: tree.File, Digest: digest, Size: size}, err
}

// scan takes note of the inputs that a text names.
func (d *declarer) scan(text string) {
	if !mentionsStore(text) {
		return
	}
	for _, p := range d.step.Derivation.Sources {
		if strings.Contains(text, p.ID()) {
			d.refs[p] = true
		}
	}
}

func (d *declarer) hostname(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if err := CheckHostname(name); err != nil {
		return err
	}
	this := declaration{what: "hostname"}
	e, err := d.text(ctx, name+"\n")
	if err != nil {
		return err
	}
	e.Mode = 0o644
	return d.put(ctx, this, "/etc/hostname", e)
}

// put claims a path and places a file or link there.
func (d *declarer) put(ctx context.Context, this declaration, path string, e tree.Entry) error {
	place, err := d.claim(ctx, this, path, false)
	if err != nil {
		return err
	}
	if d.kind == Machine && e.Type == tree.File && !strings.Contains(place, "/") {
		return this.errorf("a file cannot stand in / itself; put it in a directory")
	}
	if old, ok, err := d.builder.Get(ctx, place); err != nil {
		return err
	} else if ok && old.Type == tree.Dir {
		return this.errorf("the root has a directory there")
	}
	return d.builder.Put(ctx, place, e)
}

// claim resolves a path and makes sure that only one declaration has it.
func (d *declarer) claim(ctx context.Context, this declaration, path string, last bool) (string, error) {
	if err := checkPath(path); err != nil {
		return "", this.errorf("%v", err)
	}
	place, err := d.resolve(ctx, path, last)
	if err != nil {
		return "", this.errorf("%v", err)
	}
	switch top := topLevel(place); {
	case d.kind == Home:
	case Volatile(top):
		return "", this.errorf("/%s is filled when the machine runs; nothing declared can stand there", top)
	case top == "boot", top == "sysc":
		return "", this.errorf("/%s is kept by sysc itself", top)
	}
	if other, ok := d.taken[place]; ok {
		return "", this.errorf("%s%s is the same file: both are /%s in the root", other.what, other.at(), place)
	}
	d.taken[place] = this
	return place, nil
}

// owner returns the numbers of a user and a group, "" being root.
func (d *declarer) owner(this declaration, user, group string) (uid, gid uint32, err error) {
	uid, ok := d.accounts.uid(user)
	if !ok {
		return 0, 0, this.errorf("no user %q; declare user %q, or add the package that makes it", user, user)
	}
	gid, ok = d.accounts.gid(group)
	if !ok {
		return 0, 0, this.errorf("no group %q; declare group %q, or add the package that makes it", group, group)
	}
	return uid, gid, nil
}

// CheckHostname reports why name cannot be a host name: 1 to 64 characters
// (sethostname(2)) in dot-separated labels of letters, digits and inner hyphens
// (RFC 1123, section 2.1).
func CheckHostname(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("hostname %q: want 1 to 64 characters", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		inner := bytes.Trim([]byte(label), "-")
		if label == "" || len(label) > 63 || len(inner) != len(label) {
			return fmt.Errorf("hostname %q: %q is not a label", name, label)
		}
		for _, c := range inner {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return fmt.Errorf("hostname %q: %q is not a letter, digit or hyphen", name, c)
			}
		}
	}
	return nil
}
