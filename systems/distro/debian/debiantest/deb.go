package debiantest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ulikunitz/xz"
)

// A File is one member of a package's tree or of its control archive.
type File struct {
	Path     string // relative and clean: "usr/bin/hello"
	Mode     os.FileMode
	UID, GID int
	Content  []byte // of a regular file
	Target   string // of a symbolic link
}

// A Package is what goes into one .deb.
type Package struct {
	// Control is the control file's text: one stanza.
	Control string
	// Scripts are the other control members by name: "postinst", "conffiles", …
	Scripts map[string]string
	// Files are the tree's members. Missing parents are made, 0755.
	Files []File
	// Plain leaves the archives inside uncompressed, for large packages.
	Plain bool
	// Raw, if not nil, is what stands in the file, whatever the rest says.
	Raw []byte
}

// ReadDir reads a package from a directory as dpkg-deb --build takes it: a tree
// with the control members in DEBIAN. All files belong to root; a file is
// executable when it begins with "#!" or stands in a bin directory, so that
// directories written by a script archive work too. DEBIAN/links holds lines
// "path target", each a symbolic link.
func ReadDir(dir string) (*Package, error) {
	p := &Package{Scripts: map[string]string{}}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if control, ok := strings.CutPrefix(rel, "DEBIAN"); ok {
			if control == "" {
				return nil
			}
			return p.readControl(name, strings.TrimPrefix(control, "/"))
		}
		if d.IsDir() {
			p.Files = append(p.Files, File{Path: rel, Mode: os.ModeDir | 0o755})
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(content, []byte("#!")) || strings.HasSuffix(path.Dir(rel), "bin") {
			mode = 0o755
		}
		p.Files = append(p.Files, File{Path: rel, Mode: mode, Content: content})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read package directory: %v", err)
	}
	if p.Control == "" {
		return nil, fmt.Errorf("read package directory %s: no DEBIAN/control", dir)
	}
	return p, nil
}

func (p *Package) readControl(name, member string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	switch member {
	case "control":
		p.Control = strings.TrimSpace(string(text)) + "\n"
	case "links":
		for line := range strings.Lines(string(text)) {
			from, to, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok {
				return fmt.Errorf("%s: want lines \"path target\", have %q", name, line)
			}
			p.Files = append(p.Files, File{Path: from, Mode: os.ModeSymlink | 0o777, Target: to})
		}
	default:
		p.Scripts[member] = string(text)
	}
	return nil
}

// Field returns a field of the control stanza, "" when it is missing.
func (p *Package) Field(name string) string {
	for line := range strings.Lines(p.Control) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// FileName is the package's conventional file name.
func (p *Package) FileName() string {
	_, version, found := strings.Cut(p.Field("Version"), ":")
	if !found {
		version = p.Field("Version")
	}
	return fmt.Sprintf("%s_%s_%s.deb", p.Field("Package"), version, p.Field("Architecture"))
}

// Build returns the package as a .deb (see deb(5)). The same package gives the
// same bytes.
func (p *Package) Build() ([]byte, error) {
	if p.Raw != nil {
		return p.Raw, nil
	}
	control := []File{{Path: "control", Mode: 0o644, Content: []byte(p.Control)}}
	for name, text := range p.Scripts {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		control = append(control, File{Path: name, Mode: mode, Content: []byte(text)})
	}
	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	writeMember(&deb, "debian-binary", []byte("2.0\n"))
	for _, part := range []struct {
		name  string
		files []File
	}{{"control.tar", control}, {"data.tar", p.Files}} {
		packed, name, err := p.pack(part.name, part.files)
		if err != nil {
			return nil, fmt.Errorf("build package %s: %v", p.Field("Package"), err)
		}
		writeMember(&deb, name, packed)
	}
	return deb.Bytes(), nil
}

// writeMember appends one member of an ar archive: a header of 60 bytes, the
// content, and a newline when its size is odd.
func writeMember(w *bytes.Buffer, name string, content []byte) {
	fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(content))
	w.Write(content)
	if len(content)%2 == 1 {
		w.WriteByte('\n')
	}
}

// pack returns a member with files, and its name.
func (p *Package) pack(name string, files []File) ([]byte, string, error) {
	var packed bytes.Buffer
	if p.Plain {
		err := writeTar(&packed, withParents(files))
		return packed.Bytes(), name, err
	}
	compressed, err := xz.NewWriter(&packed)
	if err != nil {
		return nil, "", err
	}
	if err := writeTar(compressed, withParents(files)); err != nil {
		return nil, "", err
	}
	if err := compressed.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), name + ".xz", nil
}

func writeTar(w io.Writer, files []File) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		header := &tar.Header{
			Name: "./" + f.Path, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID,
			ModTime: time.Unix(1, 0), Format: tar.FormatGNU,
		}
		if f.Mode&os.ModeSetuid != 0 {
			header.Mode |= 0o4000
		}
		switch {
		case f.Mode.IsDir():
			header.Typeflag = tar.TypeDir
			header.Name = strings.TrimSuffix(header.Name, "/") + "/"
		case f.Mode&os.ModeSymlink != 0:
			header.Typeflag, header.Linkname = tar.TypeSymlink, f.Target
		default:
			header.Typeflag, header.Size = tar.TypeReg, int64(len(f.Content))
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(f.Content); err != nil {
			return err
		}
	}
	return out.Close()
}

// withParents sorts files and adds the directories above them that are missing.
func withParents(files []File) []File {
	have := map[string]bool{}
	for _, f := range files {
		have[f.Path] = true
	}
	all := slices.Clone(files)
	for _, f := range files {
		for dir := path.Dir(f.Path); !have[dir]; dir = path.Dir(dir) {
			have[dir] = true
			all = append(all, File{Path: strings.TrimPrefix(dir, "."), Mode: os.ModeDir | 0o755})
			if dir == "." {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return all
}
