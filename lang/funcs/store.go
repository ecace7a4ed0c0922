package funcs

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// storeFunctions make sources and derivations and return their paths.
func storeFunctions(m Module) map[string]*eval.Function {
	functions := map[string]*eval.Function{
		"source":       {Params: []string{"path", "options"}, Optional: 1, Native: m.source},
		"textfile":     {Params: []string{"name", "content"}, Native: m.textFile},
		"fetchurl":     {Params: []string{"url", "hash", "options"}, Optional: 1, Native: m.fetchURL},
		"fetchtarball": {Params: []string{"url", "hash", "options"}, Optional: 1, Native: m.fetchTarball},
		"fetchgit":     {Params: []string{"settings"}, Native: m.fetchGit},
		"fetchoci":     {Params: []string{"settings"}, Native: m.fetchOCI},
	}
	if m.Graph == nil {
		for name := range functions {
			functions[name] = &eval.Function{Refused: name + " makes a store object, and there is none here."}
		}
	}
	return functions
}

var noPath = cty.UnknownVal(cty.String)

// source makes a store object of a file or directory of the module. Its path is
// known, because it follows from the content. Of a directory, files that .gitignore
// files of the module name are left out, and what the options say.
func (m Module) source(c eval.Call) (cty.Value, diag.List) {
	root, name, diags := m.locate(c.Args[0])
	if diags.HasErrors() {
		return noPath, diags
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return noPath, m.fileError(c.Args[0], name, err)
	}
	// A link anywhere in the path could lead elsewhere when the object is made.
	real, err := m.Reads.RealPath(filepath.Join(m.Dir, name))
	if err != nil {
		return noPath, m.fileError(c.Args[0], name, err)
	}
	base, err := m.Reads.RealPath(m.Dir)
	if err != nil {
		return noPath, m.fileError(c.Args[0], name, err)
	}
	if real != filepath.Join(base, name) {
		return noPath, diag.Errorf(c.Args[0].Range, "Symbolic link in the path of a source", "%q is or goes through a symbolic link. Name the file that it leads to.", name)
	}
	filter, diags := sourceOptions(c)
	if diags.HasErrors() {
		return noPath, diags
	}
	src := derivations.Source{Name: builtin.ObjectName(path.Base(name))}
	if info.IsDir() {
		if src.Files, err = sourceFiles(root, name, filter); err != nil {
			return noPath, m.fileError(c.Args[0], name, err)
		}
	} else if len(c.Args) > 1 {
		return noPath, diag.Errorf(c.Args[1].Range, "Options for a file", "%q is a file, which is taken as it is: options say which files of a directory are taken.", name)
	}
	switch {
	case info.IsDir() && name == ".":
		src.Name = "source"
		src.Dir = real
	case info.IsDir():
		src.Dir = real
	case info.Mode().IsRegular():
		src.File = real
		src.Executable = info.Mode()&0o111 != 0
	default:
		return noPath, m.fileError(c.Args[0], name, fmt.Errorf("it is neither a file nor a directory"))
	}
	return m.addSource(c, src, fmt.Sprintf("source(%q)", name))
}

func (m Module) addSource(c eval.Call, src derivations.Source, of string) (cty.Value, diag.List) {
	p, err := m.Graph.AddSource(m.Reads, src)
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a source", "%v.", err)
	}
	return eval.MarkPath(p.Logical(), of), nil
}

// textFile makes a store object of a text. A text with paths of derivations in
// it is known only when those are built, and so becomes a derivation.
func (m Module) textFile(c eval.Call) (cty.Value, diag.List) {
	name, diags := c.Args[0].PlainText("name")
	if diags.HasErrors() {
		return noPath, diags
	}
	if err := store.CheckName(name); err != nil {
		return noPath, diag.Errorf(c.Args[0].Range, "Invalid name", "%v.", err)
	}
	value, diags := c.Args[1].Text("content")
	if diags.HasErrors() {
		return noPath, diags
	}
	plain, marks := eval.Plain(value)
	if marks.Sensitive {
		return noPath, diag.Errorf(c.Args[1].Range, "Sensitive value in the store", "This text is marked sensitive, and everybody can read the store.")
	}
	of := fmt.Sprintf("textfile(%q)", name)
	content := plain.AsString()
	if len(marks.Paths) == 0 {
		return m.addSource(c, derivations.Source{Name: name, Content: []byte(content)}, of)
	}
	return m.add(c, derivations.Derivation{Name: name, Platform: derivations.PlatformAny, Builder: builtin.BuilderFile},
		map[string]any{"content": content}, of)
}

// add adds a derivation with attributes and returns the path of its output.
func (m Module) add(c eval.Call, d derivations.Derivation, attrs map[string]any, of string) (cty.Value, diag.List) {
	a, err := derivations.MakeAttrs(attrs)
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a derivation", "%v.", err)
	}
	d.Attrs = a
	h, err := m.Graph.Add(d, derivations.Origin{Label: of, Position: c.Range.String()})
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a derivation", "%v.", err)
	}
	p, err := m.Graph.Placeholder(derivations.Ref{Derivation: h, Output: derivations.DefaultOutput})
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a derivation", "%v.", err)
	}
	return eval.MarkPath(p, of), nil
}
