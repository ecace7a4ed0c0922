package dpkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"sysc/derivations/builtin"
	"sysc/internal/par"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/distro/debian/deb822"
	"sysc/systems/distro/debian/relation"
)

// maxMember bounds what is read of one control member, in bytes. The longest
// real ones have some 100 KB.
const maxMember = 16 << 20

// architectureAll is that of packages for every architecture.
const architectureAll = "all"

// A pkg is one unpacked package.
type pkg struct {
	name, version, architecture string
	// label is the name, with the architecture behind it where that is not the root's.
	label string
	// multiArchSame is true for packages that may be there in several
	// architectures at once.
	multiArchSame bool
	replaces      []relation.Relation
	// control is the control file's one stanza without line ends around it.
	control []byte
	// members are the control directory's entries.
	members []tree.Entry
	// data is the directory of the package's files.
	data tree.Entry

	conffiles []conffile
	// triggers are the lines of the triggers file.
	triggers []string
	// diverts is true when the preinst calls dpkg-divert.
	diverts bool
	// list is the blob of the list of the package's files, md5sums that of a
	// generated md5sums file where the package has none.
	list, md5sums tree.Entry
	// dropped are paths, without a leading slash, that another package took over.
	dropped map[string]bool
}

// infoName is what dpkg calls the package's files in its database.
func (p *pkg) infoName() string {
	if p.multiArchSame {
		return p.name + ":" + p.architecture
	}
	return p.name
}

// member returns an entry of the control directory.
func (p *pkg) member(name string) (tree.Entry, bool) {
	for _, e := range p.members {
		if e.Name == name && e.Type == tree.File {
			return e, true
		}
	}
	return tree.Entry{}, false
}

// load reads the control directories of all packages.
func load(ctx context.Context, s *builtin.Step, layout Layout) ([]*pkg, error) {
	packages := make([]*pkg, len(layout.Packages))
	err := par.Do(ctx, len(packages), 2*runtime.GOMAXPROCS(0), func(ctx context.Context, i int) error {
		p, err := loadOne(ctx, s, layout.Packages[i], layout.Architecture)
		if err != nil {
			return fmt.Errorf("package %q: %w", layout.Packages[i].Name, err)
		}
		packages[i] = p
		return nil
	})
	if err != nil {
		return nil, err
	}
	unpackOrder(packages)
	for i, p := range packages[:max(len(packages), 1)-1] {
		if p.label == packages[i+1].label {
			return nil, fmt.Errorf("package %q is there twice", p.label)
		}
	}
	return packages, nil
}

func loadOne(ctx context.Context, s *builtin.Step, input Input, architecture string) (*pkg, error) {
	object, _, err := s.Object(ctx, input.Tree)
	if err != nil {
		return nil, err
	}
	control, err := tree.Find(ctx, s.Store, object.Tree, "control")
	if err != nil {
		return nil, err
	}
	p := &pkg{dropped: make(map[string]bool)}
	if p.data, err = tree.Find(ctx, s.Store, object.Tree, "data"); err != nil {
		return nil, err
	}
	if control.Type != tree.Dir || p.data.Type != tree.Dir {
		return nil, errors.New("the input is no unpacked package")
	}
	listing, err := s.Store.Tree(ctx, control.Digest)
	if err != nil {
		return nil, err
	}
	p.members = listing.Entries
	if err := p.read(ctx, s.Store, input.Name); err != nil {
		return nil, builtin.Malformed(ctx, err)
	}
	p.label = p.name
	if p.architecture != architecture && p.architecture != architectureAll {
		p.label += ":" + p.architecture
	}
	return p, nil
}

// read reads the control members of a package that is known by a name.
func (p *pkg) read(ctx context.Context, st builtin.Store, name string) error {
	if err := p.readControl(ctx, st); err != nil {
		return err
	}
	if p.name != name {
		return fmt.Errorf("the control file is that of %q", p.name)
	}
	return p.readMembers(ctx, st)
}

// readControl parses the control file (Debian policy 5.3).
func (p *pkg) readControl(ctx context.Context, st builtin.Store) error {
	text, err := p.readMember(ctx, st, "control")
	if err != nil {
		return err
	}
	stanza, err := deb822.NewReader(bytes.NewReader(text)).Next()
	if err != nil {
		return fmt.Errorf("parse control file: %v", err)
	}
	if err := stanza.CheckUnique(); err != nil {
		return fmt.Errorf("parse control file: %v", err)
	}
	p.control = bytes.Trim(text, "\n")
	p.name, p.version, p.architecture = stanza.Value("Package"), stanza.Value("Version"), stanza.Value("Architecture")
	p.multiArchSame = stanza.Value("Multi-Arch") == "same"
	if err := relation.CheckName(p.name); err != nil {
		return err
	}
	if p.version == "" || p.architecture == "" || strings.ContainsAny(p.version+p.architecture, " \t\n/") {
		return fmt.Errorf("version %q, architecture %q", p.version, p.architecture)
	}
	p.replaces, err = relation.ParseList(deb822.Fold(stanza.Value("Replaces")))
	return err
}

// readMembers reads the other control members that matter here.
func (p *pkg) readMembers(ctx context.Context, st builtin.Store) error {
	triggers, err := p.readMember(ctx, st, "triggers")
	if err != nil {
		return err
	}
	p.triggers = strings.Split(string(triggers), "\n")
	preinst, err := p.readMember(ctx, st, "preinst")
	if err != nil {
		return err
	}
	p.diverts = bytes.Contains(preinst, []byte("dpkg-divert"))
	if err := p.readConffiles(ctx, st); err != nil {
		return err
	}
	if p.list, err = p.writeList(ctx, st); err != nil {
		return err
	}
	if _, ok := p.member("md5sums"); !ok {
		p.md5sums, err = p.writeMD5Sums(ctx, st)
	}
	return err
}

// readMember returns a control member's bytes, nil when there is none.
func (p *pkg) readMember(ctx context.Context, st builtin.Store, name string) ([]byte, error) {
	e, ok := p.member(name)
	if !ok {
		return nil, nil
	}
	if e.Size > maxMember {
		return nil, fmt.Errorf("control member %q has %d bytes, at most %d", name, e.Size, maxMember)
	}
	return readBlob(ctx, st, e.Digest)
}

func readBlob(ctx context.Context, st builtin.Store, d store.Digest) ([]byte, error) {
	f, err := st.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// addText keeps a text and returns a file's entry.
func addText(ctx context.Context, st builtin.Store, text []byte, mode uint32) (tree.Entry, error) {
	digest, size, err := st.AddBlob(ctx, bytes.NewReader(text))
	return tree.Entry{Type: tree.File, Mode: mode, Digest: digest, Size: size}, err
}
