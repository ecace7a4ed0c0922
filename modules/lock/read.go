package lock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"sysc/internal/gitfetch"
	"sysc/internal/readlog"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// Limits of what is read. A lock file may come with a stranger's definition.
const (
	// MaxSize bounds the file, in bytes: 300 for a package, a hundred systems of
	// a thousand packages each.
	MaxSize = 64 << 20
	// maxEntries bounds each map and list in it.
	maxEntries = 200_000
)

// A VersionError says that the file is of a format that this program does not
// know.
type VersionError struct{ Version int }

// Error says what to do.
func (e *VersionError) Error() string {
	if e.Version > Version {
		return fmt.Sprintf("the lock file was made by a newer sysc (format %d, this one knows %d); install that version, or delete the file and run sysc lock", e.Version, Version)
	}
	return fmt.Sprintf("the lock file has format version %d, which never was; restore it, or delete it and run sysc lock", e.Version)
}

// ErrConflict says that the file has the marks of an unfinished merge in it.
var ErrConflict = errors.New("the lock file has merge conflict markers in it; keep either side and run sysc lock")

// Read reads the file at path. The error is fs.ErrNotExist, wrapped, when there
// is none, a [*VersionError], [ErrConflict], or says what is wrong with it. What is
// read is noted in reads, which may be nil.
func Read(reads *readlog.Log, path string) (*File, []byte, error) {
	data, err := ReadText(reads, path)
	if err != nil {
		return nil, nil, err
	}
	file, err := Decode(data)
	return file, data, err
}

// ReadText reads the bytes of the file at path, one more than [MaxSize] at most. The
// error is fs.ErrNotExist, wrapped, when there is none.
func ReadText(reads *readlog.Log, path string) ([]byte, error) {
	data, err := reads.ReadFile(path, MaxSize+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read lock file: %w", fs.ErrNotExist)
	case errors.Is(err, readlog.ErrNotRegular):
		return nil, fmt.Errorf("read lock file: %s is not a regular file", path)
	case err != nil:
		return nil, fmt.Errorf("read lock file: %v", err)
	}
	return data, nil
}

// MayHaveModules reports whether there may be modules in a lock file, without reading
// it as [Decode] does. It may say so of a file that has none.
func MayHaveModules(data []byte) bool {
	// encoding/json takes other spellings of the key as well.
	odd := func(c rune) bool { return c == '\\' || c >= utf8.RuneSelf }
	return bytes.Contains(bytes.ToLower(data), []byte(`"modules"`)) || bytes.ContainsFunc(data, odd)
}

// fileJSON is the file as it is written.
type fileJSON struct {
	Version     int                       `json:"version"`
	Inputs      map[string]inputJSON      `json:"inputs"`
	Modules     map[string]Module         `json:"modules"`
	Resolutions map[string]resolutionJSON `json:"resolutions"`
	IDs         idsJSON                   `json:"ids"`
}

type inputJSON struct {
	Type     string         `json:"type"`
	Settings store.Digest   `json:"settings"`
	Indexes  []debian.Index `json:"indexes"`
	Earlier  []debian.Index `json:"earlier"`
	Pin
}

type resolutionJSON struct {
	Request  *Request         `json:"request"`
	Packages []debian.Package `json:"packages"`
	Source   *debian.Source   `json:"source"`
	SameAs   string           `json:"same_as"`
}

// sameJSON is a resolutionJSON that has what another one has.
type sameJSON struct {
	SameAs string `json:"same_as"`
}

type idsJSON struct {
	Users  map[string]uint32 `json:"users"`
	Groups map[string]uint32 `json:"groups"`
}

// Decode reads a lock file's bytes. Unknown members, duplicate keys and anything
// behind the end are errors: whatever was meant by them would be lost when the
// file is written again. The errors are those of [Read].
func Decode(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("read lock file: more than %d MiB", MaxSize>>20)
	}
	if bytes.HasPrefix(data, []byte("<<<<<<< ")) || bytes.Contains(data, []byte("\n<<<<<<< ")) {
		return nil, ErrConflict
	}
	var raw fileJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&raw)
	if err != nil || raw.Version != Version {
		return nil, refuse(data, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("read lock file: line %d: something stands behind the end", 1+bytes.Count(data[:dec.InputOffset()], []byte("\n")))
	}
	if err := checkKeys(data); err != nil {
		return nil, fmt.Errorf("read lock file: %v", err)
	}
	return raw.file()
}

// refuse says what is wrong with a file that is not as it should be. Another
// version explains everything else.
func refuse(data []byte, err error) error {
	var head struct {
		Version *int `json:"version"`
	}
	headErr := json.Unmarshal(data, &head)
	switch {
	case headErr == nil && head.Version == nil:
		return errors.New("read lock file: it has no version")
	case headErr == nil && *head.Version != Version:
		return &VersionError{*head.Version}
	case err == nil:
		err = headErr
	}
	return fmt.Errorf("read lock file: %s", place(data, err))
}

// place says where a JSON error is, if it is known.
func place(data []byte, err error) string {
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
	}
	if offset < 0 || offset > int64(len(data)) {
		return err.Error()
	}
	return fmt.Sprintf("line %d: %v", 1+bytes.Count(data[:offset], []byte("\n")), err)
}

// checkKeys finds keys that stand twice in one object, which encoding/json
// takes the last of, silently. The text is one that encoding/json has read.
func checkKeys(data []byte) error {
	text := string(data) // its keys are parts of it, and take no memory of their own
	var open []object    // the last one is read; those behind it lend their memory
	isKey := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			isKey = text[i] == '{'
			if len(open) < cap(open) {
				open = open[:len(open)+1]
			} else {
				open = append(open, object{})
			}
			open[len(open)-1].begin(isKey)
		case '}', ']':
			open = open[:len(open)-1]
			isKey = false
		case ',':
			isKey = open[len(open)-1].hasKeys
		case '"':
			n := stringLength(text[i:])
			if isKey {
				if err := open[len(open)-1].add(text[i : i+n]); err != nil {
					return err
				}
				isKey = false
			}
			i += n - 1
		}
	}
	return nil
}

// stringLength returns the length of the JSON string that text begins with.
func stringLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// addKey notes a key, written as a JSON string.
// An object is one whose keys are being read, or a list. There are very many with few keys.
type object struct {
	hasKeys bool
	few     []string
	many    map[string]bool // nil until there are too many to go through
}

func (o *object) begin(hasKeys bool) { o.hasKeys, o.few, o.many = hasKeys, o.few[:0], nil }

// add adds a key as it is written.
func (o *object) add(written string) error {
	key := written[1 : len(written)-1]
	if strings.IndexByte(key, '\\') >= 0 || !utf8.ValidString(key) {
		if err := json.Unmarshal([]byte(written), &key); err != nil {
			return err
		}
	}
	if o.many[key] || o.many == nil && slices.Contains(o.few, key) {
		return fmt.Errorf("key %q twice", key)
	}
	const few = 16
	switch {
	case o.many != nil:
		o.many[key] = true
	case len(o.few) < few:
		o.few = append(o.few, key)
	default:
		o.many = map[string]bool{key: true}
		for _, k := range o.few {
			o.many[k] = true
		}
	}
	return nil
}

func (raw *fileJSON) file() (*File, error) {
	f := &File{Users: raw.IDs.Users, Groups: raw.IDs.Groups}
	if len(raw.Inputs)+len(raw.Modules)+len(raw.Resolutions)+len(f.Users)+len(f.Groups) > maxEntries {
		return nil, fmt.Errorf("read lock file: more than %d entries", maxEntries)
	}
	for _, name := range sorted(raw.Inputs) {
		in := raw.Inputs[name]
		if err := checkPin(in.Type, in.Pin, in.Indexes != nil); err != nil {
			return nil, fmt.Errorf("read lock file: input %q: %v", name, err)
		}
		for _, index := range slices.Concat(in.Indexes, in.Earlier) {
			if err := checkPath(index.Path, index.ByHash); err != nil {
				return nil, fmt.Errorf("read lock file: input %q: %v", name, err)
			}
			if index.Size < 0 || index.Archive == "" {
				return nil, fmt.Errorf("read lock file: input %q: an index without size or archive", name)
			}
		}
		put(&f.Inputs, name, Input{Type: in.Type, Settings: in.Settings, Revision: debian.Revision{Indexes: in.Indexes, Earlier: in.Earlier}, Pin: in.Pin})
	}
	for _, key := range sorted(raw.Modules) {
		if err := checkModule(raw.Modules[key]); err != nil {
			return nil, fmt.Errorf("read lock file: module %q: %v", key, err)
		}
		put(&f.Modules, key, raw.Modules[key])
	}
	if err := raw.resolutions(f); err != nil {
		return nil, fmt.Errorf("read lock file: %v", err)
	}
	if len(f.Users) == 0 {
		f.Users = nil
	}
	if len(f.Groups) == 0 {
		f.Groups = nil
	}
	return f, nil
}

func (raw *fileJSON) resolutions(f *File) error {
	if len(raw.Resolutions) > 0 {
		f.Resolutions = make(map[string]*Resolution, len(raw.Resolutions))
	}
	var first firstError
	for name, r := range raw.Resolutions {
		if r.SameAs != "" {
			continue
		}
		if err := checkResolution(&r); err != nil {
			first.add(name, err)
			continue
		}
		f.Resolutions[name] = &Resolution{Request: *r.Request, Packages: r.Packages, Source: r.Source}
	}
	if first.err != nil {
		return first.err
	}
	for name, r := range raw.Resolutions {
		switch {
		case r.SameAs == "":
		case r.Request != nil || r.Packages != nil || r.Source != nil:
			first.add(name, fmt.Errorf("packages of its own, and the same as %s", r.SameAs))
		case raw.Resolutions[r.SameAs].Request == nil:
			first.add(name, fmt.Errorf("the same as %s, which has no packages of its own", r.SameAs))
		default:
			f.Resolutions[name] = f.Resolutions[r.SameAs]
		}
	}
	return first.err
}

// A firstError is that of the first name, whichever is looked at first.
type firstError struct {
	name string
	err  error
}

func (e *firstError) add(name string, err error) {
	if e.err == nil || name < e.name {
		e.name, e.err = name, fmt.Errorf("%s: %v", name, err)
	}
}

func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// checkModule checks what becomes part of git's command line.
func checkModule(m Module) error {
	if m.Tree.IsZero() {
		return errors.New("no tree")
	}
	if m.Commit != "" {
		if err := gitfetch.CheckCommit(m.Commit); err != nil {
			return err
		}
	}
	if m.Ref != "" {
		return gitfetch.CheckRef(m.Ref)
	}
	return nil
}

// checkResolution checks what later stages take for granted.
func checkResolution(r *resolutionJSON) error {
	if r.Request == nil {
		return errors.New("no request")
	}
	if len(r.Packages) > maxEntries || len(r.Request.Packages) > maxEntries {
		return fmt.Errorf("more than %d packages", maxEntries)
	}
	if r.Request.Build != (r.Source != nil) {
		return errors.New("a source package without a request for a build, or a build without one")
	}
	if r.Source != nil {
		if err := checkSource(r.Source); err != nil {
			return err
		}
	}
	// A merge by git may have put lines in another order.
	slices.Sort(r.Request.Packages)
	r.Request.Packages = slices.Compact(r.Request.Packages)
	slices.SortFunc(r.Request.With, func(a, b InputState) int { return strings.Compare(a.Input, b.Input) })
	slices.SortFunc(r.Request.Files, func(a, b OwnFile) int { return strings.Compare(a.Package, b.Package) })
	r.Packages = sortedPackages(r.Packages)
	for i, p := range r.Packages {
		switch own := slices.Contains(r.Request.Files, OwnFile{p.Name, p.SHA256}); {
		case p.Name == "" || p.Version == "" || p.Architecture == "" || p.Archive == "" && !own:
			return fmt.Errorf("package %d has no name, version, architecture or archive", i+1)
		case p.SHA256.IsZero():
			return fmt.Errorf("package %q has no hash", p.Name)
		case p.Size < 0:
			return fmt.Errorf("package %q has a negative size", p.Name)
		}
		if err := checkPath(p.Filename); err != nil {
			return fmt.Errorf("package %q: %v", p.Name, err)
		}
		if i > 0 && r.Packages[i-1].Name == p.Name && r.Packages[i-1].Architecture == p.Architecture {
			return fmt.Errorf("package %q twice", p.Name)
		}
	}
	return nil
}

// checkSource checks a source package as checkResolution does others.
func checkSource(s *debian.Source) error {
	if s.Name == "" || s.Version == "" || s.Archive == "" || len(s.Files) == 0 {
		return errors.New("a source package without name, version, archive or files")
	}
	for _, f := range s.Files {
		if f.Filename == "" || f.SHA256.IsZero() || f.Size < 0 {
			return fmt.Errorf("source package %q: a file without name, hash or size", s.Name)
		}
		if err := checkPath(f.Filename); err != nil {
			return fmt.Errorf("source package %q: %v", s.Name, err)
		}
	}
	return nil
}

// checkPath checks paths below a mirror: they become part of addresses.
func checkPath(paths ...string) error {
	for _, p := range paths {
		if p != "" && (strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.HasPrefix(p, "..")) {
			return fmt.Errorf("file name %q leads elsewhere", p)
		}
	}
	return nil
}
