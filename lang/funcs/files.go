package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"sysc/internal/readlog"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// maxFile bounds a file that becomes a string, in bytes. source() has no such
// limit.
const maxFile = 8 << 20

// fileFunctions read files of the module.
func fileFunctions(m Module) map[string]*eval.Function {
	reader := func(f func(raw []byte) (string, error)) *eval.Function {
		return &eval.Function{Params: []string{"path"}, Native: func(c eval.Call) (cty.Value, diag.List) {
			raw, diags := m.read(c.Args[0])
			if diags.HasErrors() {
				return cty.UnknownVal(cty.String), diags
			}
			s, err := f(raw)
			if err != nil {
				return cty.UnknownVal(cty.String), diag.Errorf(c.Args[0].Range, "Cannot read the file", "%v", err)
			}
			return cty.StringVal(s), nil
		}}
	}
	return map[string]*eval.Function{
		"file":             reader(fileText),
		"filebase64":       reader(inBase64),
		"filebase64sha256": reader(func(raw []byte) (string, error) { sum := sha256.Sum256(raw); return inBase64(sum[:]) }),
		"filebase64sha512": reader(func(raw []byte) (string, error) { sum := sha512.Sum512(raw); return inBase64(sum[:]) }),
		"filemd5":          reader(func(raw []byte) (string, error) { sum := md5.Sum(raw); return hex.EncodeToString(sum[:]), nil }),
		"filesha1":         reader(func(raw []byte) (string, error) { sum := sha1.Sum(raw); return hex.EncodeToString(sum[:]), nil }),
		"filesha256":       reader(func(raw []byte) (string, error) { sum := sha256.Sum256(raw); return hex.EncodeToString(sum[:]), nil }),
		"filesha512":       reader(func(raw []byte) (string, error) { sum := sha512.Sum512(raw); return hex.EncodeToString(sum[:]), nil }),
		"fileset":          {Params: []string{"path", "pattern"}, Native: m.fileSet},
		"fileexists": {Params: []string{"path"}, Native: func(c eval.Call) (cty.Value, diag.List) {
			ok, diags := m.exists(c.Args[0])
			return cty.BoolVal(ok), diags
		}},
		"templatefile":   {Params: []string{"path", "vars"}, Native: m.templateFile},
		"templatestring": {Params: []string{"template", "vars"}, Native: m.templateString},
	}
}

func inBase64(raw []byte) (string, error) { return base64.StdEncoding.EncodeToString(raw), nil }

func fileText(raw []byte) (string, error) {
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("the file is not UTF-8 text, and a string holds text only. Use source() to hand it on as it is, or filebase64()")
	}
	return string(raw), nil
}

// localPath reads an argument that names a file of the module.
func (m Module) localPath(a eval.Arg) (string, diag.List) {
	name, diags := a.PlainText("path")
	if diags.HasErrors() {
		return "", diags
	}
	clean := path.Clean(name)
	switch {
	case name == "" || path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(name, 0):
		return "", diag.Errorf(a.Range, "File outside of the module",
			"%q is not a path below the module's directory, and a definition reads no other files. Put the file beside the definition.", name)
	case m.Dir == "":
		return "", diag.Errorf(a.Range, "No files here", "This module has no directory that files could be read from.")
	}
	return clean, nil
}

// locate opens the module's directory and returns the name under which what an
// argument names stands there.
func (m Module) locate(a eval.Arg) (*readlog.Root, string, diag.List) {
	name, diags := m.localPath(a)
	if diags.HasErrors() {
		return nil, "", diags
	}
	root, err := m.Reads.OpenRoot(m.Dir)
	if err != nil {
		return nil, "", m.fileError(a, name, err)
	}
	real, err := onDisk(root, name)
	if err != nil {
		root.Close()
		return nil, "", m.fileError(a, name, err)
	}
	return root, real, nil
}

// read returns the content of a file below the module's directory. A symbolic
// link that leads out of it is an error.
func (m Module) read(a eval.Arg) ([]byte, diag.List) {
	root, name, diags := m.locate(a)
	if diags.HasErrors() {
		return nil, diags
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, m.fileError(a, name, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, m.fileError(a, name, errors.New("it is not a regular file"))
	case info.Size() > maxFile:
		return nil, m.fileError(a, name, fmt.Errorf("it has %d bytes, and a string made of a file has %d at most. Use source() to hand it on", info.Size(), maxFile))
	}
	raw, err := root.ReadFile(name, maxFile+1)
	if err != nil {
		return nil, m.fileError(a, name, err)
	}
	if len(raw) > maxFile {
		return nil, m.fileError(a, name, errors.New("it is too long"))
	}
	return raw, nil
}

// fileError says why a file cannot be read, with the name that was meant when
// there is one like it.
func (m Module) fileError(a eval.Arg, name string, err error) diag.List {
	if !errors.Is(err, fs.ErrNotExist) {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return diag.Errorf(a.Range, "Cannot read the file", "The file %q of the module cannot be read: %v.", name, err)
	}
	return diag.Errorf(a.Range, "No such file",
		"There is no file %q in the module's directory.%s", name, diag.DidYouMean(path.Base(name), m.siblings(name)))
}

func (m Module) siblings(name string) []string {
	root, err := m.Reads.OpenRoot(m.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	entries, err := root.ReadDir(path.Dir(name))
	if err != nil {
		return nil
	}
	const maxNames = 1000
	var names []string
	for _, e := range entries[:min(len(entries), maxNames)] {
		names = append(names, e.Name())
	}
	return names
}

func (m Module) exists(a eval.Arg) (bool, diag.List) {
	root, name, diags := m.locate(a)
	if diags.HasErrors() {
		return false, diags
	}
	defer root.Close()
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, m.fileError(a, name, err)
	}
	return info.Mode().IsRegular(), nil
}

// templateFile renders a file of the module with the variables given, and with
// all functions except itself.
func (m Module) templateFile(c eval.Call) (cty.Value, diag.List) {
	raw, diags := m.read(c.Args[0])
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), diags
	}
	if _, err := fileText(raw); err != nil {
		return cty.UnknownVal(cty.String), diag.Errorf(c.Args[0].Range, "Cannot read the file", "%v", err)
	}
	name, _ := m.localPath(c.Args[0])
	return m.render(c, path.Join(m.Prefix, name), raw)
}

// templateString renders a text with the variables given.
func (m Module) templateString(c eval.Call) (cty.Value, diag.List) {
	text, diags := c.Args[0].PlainText("template")
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), diags
	}
	return m.render(c, fmt.Sprintf("template of %s", c.Range), []byte(text))
}

// render renders a template whose text has that name in messages.
func (m Module) render(c eval.Call, name string, raw []byte) (cty.Value, diag.List) {
	if m.Rendered != nil {
		m.Rendered(name, raw)
	}
	tmpl, diags := syntax.ParseTemplate(raw, name)
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), diags
	}
	vars, marks := c.Args[1].Value.Unmark()
	if vars.IsNull() || !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
		return cty.UnknownVal(cty.String), diag.Errorf(c.Args[1].Range, "Invalid function argument", "Invalid value for %q parameter: an object or map is required.", "vars")
	}
	values := eval.Values{}
	for it := vars.ElementIterator(); it.Next(); {
		k, v := it.Element()
		values[k.AsString()] = v.WithMarks(marks)
	}
	table := maps.Clone(c.Scope.Functions())
	for _, name := range []string{"templatefile", "templatestring"} {
		table[name] = &eval.Function{Refused: "A template cannot render another one. Render that first, and hand the result in as a variable."}
	}
	scope := eval.NewScope(eval.NewRoot(c.Scope.Session(), table), values)
	v, moreDiags := eval.Evaluate(tmpl, scope)
	for _, d := range moreDiags {
		if d.Subject != nil && d.Subject.Filename == name {
			d.Related = append(d.Related, diag.Related{Message: "Rendered for this call", Range: c.Range})
		}
	}
	return v, append(diags, moreDiags...)
}
