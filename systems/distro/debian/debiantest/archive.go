package debiantest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ulikunitz/xz"
)

// A Key signs archives.
type Key = openpgp.Entity

// An Archive is a Debian archive of one suite with one component, main.
type Archive struct {
	// Suite is a name, or, with a slash at its end, the directory of a flat repository.
	Suite        string
	Architecture string
	// Foreign are further architectures that have an index each.
	Foreign []string
	// Date is the Release file's; ValidUntil is left out when zero.
	Date, ValidUntil time.Time
	Packages         []*Package
	Sources          []*Source
	// Backports makes its packages a last resort.
	Backports bool
	// Detached has the signature beside the Release file, and no InRelease.
	Detached bool
	// Key signs the Release file. Write makes one when it is nil.
	Key *Key
	// Index, if not nil, changes Packages files before they are signed.
	Index func(text string) string
}

// A Source is a source package.
type Source struct {
	// Control is what the index says of it, but for where its files are.
	Control string
	// Files are its files by name.
	Files map[string][]byte
}

// ReadSource reads a source package from a directory: the file "control", and its files.
func ReadSource(dir string) (*Source, error) {
	s := &Source{Files: map[string][]byte{}}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read source package: %v", err)
	}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read source package: %v", err)
		}
		if e.Name() == "control" {
			s.Control = strings.TrimSpace(string(data)) + "\n"
			continue
		}
		s.Files[e.Name()] = data
	}
	return s, nil
}

// writeSources writes the source packages and returns their index.
func (a *Archive) writeSources(dir string) ([]byte, error) {
	var index bytes.Buffer
	for _, s := range a.Sources {
		fmt.Fprintf(&index, "%sDirectory: pool/main\nChecksums-Sha256:\n", s.Control)
		for _, name := range slices.Sorted(maps.Keys(s.Files)) {
			data := s.Files[name]
			fmt.Fprintf(&index, " %x %d %s\n", sha256.Sum256(data), len(data), name)
			if err := writeFile(filepath.Join(dir, "pool/main", name), data); err != nil {
				return nil, err
			}
		}
		index.WriteByte('\n')
	}
	return index.Bytes(), nil
}

// NewKey makes a signing key.
func NewKey() (*Key, error) {
	return openpgp.NewEntity("sysc test archive", "", "archive@example.org",
		&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
}

// Write writes the archive below dir, pool and dists, and the public key beside
// them as "keyring.asc". What stood there before is replaced.
func (a *Archive) Write(dir string) error {
	if a.Key == nil {
		key, err := NewKey()
		if err != nil {
			return fmt.Errorf("write archive: %v", err)
		}
		a.Key = key
	}
	if err := a.writeDists(dir); err != nil {
		return fmt.Errorf("write archive: %v", err)
	}
	ring, err := ArmoredKey(a.Key)
	if err != nil {
		return fmt.Errorf("write archive: %v", err)
	}
	return os.WriteFile(filepath.Join(dir, "keyring.asc"), ring, 0o644)
}

func (a *Archive) isFlat() bool { return strings.HasSuffix(a.Suite, "/") }

// writePool writes the packages and returns the Packages index of some architectures.
func (a *Archive) writePool(dir string, architectures ...string) ([]byte, error) {
	var index bytes.Buffer
	sorted := slices.Clone(a.Packages)
	slices.SortFunc(sorted, func(x, y *Package) int { return strings.Compare(x.FileName(), y.FileName()) })
	pool := "pool/main/"
	if a.isFlat() {
		pool = "./"
	}
	for _, p := range sorted {
		if !slices.Contains(architectures, p.Field("Architecture")) {
			continue
		}
		deb, err := p.Build()
		if err != nil {
			return nil, err
		}
		name := pool + p.FileName()
		if err := writeFile(filepath.Join(dir, name), deb); err != nil {
			return nil, err
		}
		fmt.Fprintf(&index, "%sFilename: %s\nSize: %d\nSHA256: %x\n\n", p.Control, name, len(deb), sha256.Sum256(deb))
	}
	if a.Index != nil {
		return []byte(a.Index(index.String())), nil
	}
	return index.Bytes(), nil
}

// An indexFile is one that the Release file lists.
type indexFile struct {
	name string
	data []byte
}

// indexFiles writes the packages and returns the indexes of them.
func (a *Archive) indexFiles(dir string) ([]indexFile, error) {
	if a.isFlat() {
		index, err := a.writePool(dir, append([]string{a.Architecture, "all"}, a.Foreign...)...)
		return []indexFile{{"Packages", index}}, err
	}
	contents, err := a.contents()
	if err != nil {
		return nil, err
	}
	files := []indexFile{{"main/Contents-" + a.Architecture + ".gz", contents}}
	if len(a.Sources) > 0 {
		index, err := a.writeSources(dir)
		if err != nil {
			return nil, err
		}
		packed, err := compress(index)
		if err != nil {
			return nil, err
		}
		files = append(files, indexFile{"main/source/Sources.xz", packed})
	}
	for _, architecture := range append([]string{a.Architecture}, a.Foreign...) {
		index, err := a.writePool(dir, architecture, "all")
		if err != nil {
			return nil, err
		}
		packed, err := compress(index)
		if err != nil {
			return nil, err
		}
		name := "main/binary-" + architecture + "/Packages"
		files = append(files, indexFile{name, index}, indexFile{name + ".xz", packed})
	}
	return files, nil
}

func compress(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}

func (a *Archive) writeDists(dir string) error {
	files, err := a.indexFiles(dir)
	if err != nil {
		return err
	}
	dists := filepath.Join(dir, a.Suite)
	if !a.isFlat() {
		dists = filepath.Join(dir, "dists", a.Suite)
		if err := os.RemoveAll(dists); err != nil {
			return err
		}
	}
	var sums strings.Builder
	for _, f := range files {
		sum := sha256.Sum256(f.data)
		fmt.Fprintf(&sums, " %x %d %s\n", sum, len(f.data), f.name)
		byHash := filepath.Join(dists, filepath.Dir(f.name), "by-hash", "SHA256", fmt.Sprintf("%x", sum))
		if err := writeFile(byHash, f.data); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dists, f.name), f.data); err != nil {
			return err
		}
	}
	release := a.release(sums.String())
	if a.Detached {
		var signature bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&signature, a.Key, strings.NewReader(release), nil); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dists, "Release.gpg"), signature.Bytes()); err != nil {
			return err
		}
		return writeFile(filepath.Join(dists, "Release"), []byte(release))
	}
	signed, err := a.sign(release)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dists, "InRelease"), signed)
}

// contents returns the list of the packages' files, compressed.
func (a *Archive) contents() ([]byte, error) {
	owners := map[string][]string{}
	for _, p := range a.Packages {
		for _, f := range p.Files {
			if !f.Mode.IsDir() {
				owners[f.Path] = append(owners[f.Path], "misc/"+p.Field("Package"))
			}
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for _, path := range slices.Sorted(maps.Keys(owners)) {
		fmt.Fprintf(w, "%-60s %s\n", path, strings.Join(owners[path], ","))
	}
	err := w.Close()
	return packed.Bytes(), err
}

func (a *Archive) release(sums string) string {
	const format = "Mon, 02 Jan 2006 15:04:05 UTC"
	var b strings.Builder
	b.WriteString("Origin: sysc test\nLabel: sysc test\n")
	if !a.isFlat() {
		fmt.Fprintf(&b, "Suite: %s\nCodename: %s\n", a.Suite, a.Suite)
	}
	if a.Backports {
		b.WriteString("NotAutomatic: yes\nButAutomaticUpgrades: yes\n")
	}
	fmt.Fprintf(&b, "Date: %s\n", a.Date.UTC().Format(format))
	if !a.ValidUntil.IsZero() {
		fmt.Fprintf(&b, "Valid-Until: %s\n", a.ValidUntil.UTC().Format(format))
	}
	architectures := strings.Join(append([]string{a.Architecture}, a.Foreign...), " ")
	fmt.Fprintf(&b, "Acquire-By-Hash: yes\nArchitectures: %s\nComponents: main\nSHA256:\n%s", architectures, sums)
	return b.String()
}

func (a *Archive) sign(text string) ([]byte, error) {
	var signed bytes.Buffer
	w, err := clearsign.Encode(&signed, a.Key.PrivateKey, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return signed.Bytes(), nil
}

// ArmoredKey returns a key's public half in ASCII armor.
func ArmoredKey(key *Key) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := key.Serialize(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
