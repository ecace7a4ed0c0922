package syntax

import (
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/internal/readlog"
	"sysc/lang/diag"
)

const (
	// Extension is how the names of definition files end.
	Extension = ".sysc.hcl"
	// TestExtension is how the names of files end that only `sysc test` reads.
	TestExtension = ".test.sysc.hcl"
	// JSONExtension is how the names of files in the JSON syntax end.
	JSONExtension = ".sysc.json"
)

// A Module is the text of one directory.
type Module struct {
	// Dir is the directory that it was read from, as the caller named it.
	Dir string
	// Files are the texts by the name that ranges use.
	Files map[string][]byte
	// Blocks are the top-level blocks of all files: files by name, in a file by
	// position. Attrs are the arguments outside of blocks, which nothing expects.
	Blocks []*Block
	Attrs  []*Attr
}

// Size is the number of bytes of all files.
func (m *Module) Size() int {
	n := 0
	for _, text := range m.Files {
		n += len(text)
	}
	return n
}

// Load reads all definition files of a directory, sub-directories not
// included. Hidden files and files for tests are left out. Ranges name files by
// their base names.
//
// The module is never nil; with errors it holds what could be read. What is read is
// noted in reads, which may be nil.
func Load(reads *readlog.Log, dir string) (*Module, diag.List) {
	return LoadAs(reads, dir, "", nil)
}

// LoadAs is [Load] with a path in front of the file names in ranges, for modules
// other than the one that a command works on. texts take the place of the files that
// ranges would call so, which need not exist; those in other directories are left
// out. An editor has them.
func LoadAs(reads *readlog.Log, dir, prefix string, texts map[string][]byte) (*Module, diag.List) {
	return load(reads, dir, prefix, "definition", isDefinition, texts)
}

// LoadTests reads the files for tests of a directory, which [Load] leaves out, in
// the same way. texts, by file name, take the place of files, as for [LoadAs].
func LoadTests(dir string, texts map[string][]byte) (*Module, diag.List) {
	return load(nil, dir, "", "tests", func(name string) bool { return strings.HasSuffix(name, TestExtension) }, texts)
}

func isDefinition(name string) bool {
	return !strings.HasSuffix(name, TestExtension) && (strings.HasSuffix(name, Extension) || strings.HasSuffix(name, JSONExtension))
}

// load parses the files of a directory and of texts that are wanted by name.
// what they are is for messages.
func load(reads *readlog.Log, dir, prefix, what string, wanted func(name string) bool, texts map[string][]byte) (*Module, diag.List) {
	files := map[string][]byte{}
	diags := readFiles(reads, dir, prefix, what, wanted, files)
	for name, text := range texts {
		if path.Dir(name) == path.Join(".", prefix) && wanted(path.Base(name)) {
			files[name] = text
		}
	}
	m, parseDiags := Parse(dir, files)
	return m, append(diags, parseDiags...)
}

func readFiles(reads *readlog.Log, dir, prefix, what string, wanted func(name string) bool, files map[string][]byte) diag.List {
	root, err := reads.OpenRoot(dir)
	if err != nil {
		return diag.Errorf(diag.Range{}, "Cannot read the "+what, "The directory %q cannot be opened: %v.", dir, err)
	}
	defer root.Close()
	entries, err := root.ReadDir(".", Extension, JSONExtension)
	if err != nil {
		return diag.Errorf(diag.Range{}, "Cannot read the "+what, "The directory %q cannot be read: %v.", dir, err)
	}
	var diags diag.List
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || e.IsDir() || !wanted(name) {
			continue
		}
		shown := path.Join(prefix, name)
		// One byte more than allowed shows Parse that a file is too long.
		src, err := root.ReadFile(name, MaxFileSize+1)
		if err != nil {
			diags = append(diags, diag.Errorf(diag.Range{}, "Cannot read the "+what, "The file %q cannot be read: %v.", shown, err)...)
			continue
		}
		files[shown] = src
	}
	return diags
}

// maxDiagsPerFile bounds what one broken file has to say.
const maxDiagsPerFile = 100

// Parse makes a module of texts by name, as [Load] does with a directory's
// files. It keeps files and does not change them.
func Parse(dir string, files map[string][]byte) (*Module, diag.List) {
	m := &Module{Dir: dir, Files: files}
	var diags diag.List
	list := sources(files)
	bodies := parsePieces(list)
	for i, f := range list {
		b := bodies[i]
		if isJSON(f.name) {
			body, fileDiags := f.parseJSONBody()
			diags = append(diags, fileDiags[:min(len(fileDiags), maxDiagsPerFile)]...)
			if body == nil {
				continue
			}
			b = body
		}
		if b == nil {
			body, fileDiags := f.parse()
			diags = append(diags, fileDiags[:min(len(fileDiags), maxDiagsPerFile)]...)
			if body == nil {
				continue
			}
			b = f.body(body, nil)
		}
		m.Attrs = append(m.Attrs, b.Attrs...)
		m.Blocks = append(m.Blocks, b.Blocks...)
	}
	return m, diags
}

// A source is one file while it is read; expressions keep it for their text.
type source struct {
	name string
	src  []byte
	// json is set for a file in the JSON syntax, whose objects and arrays are in
	// containers.
	json       bool
	containers map[hclsyntax.Expression]jsonContainer
}

// isJSON reports whether the name is that of a file in the JSON syntax.
func isJSON(name string) bool { return strings.HasSuffix(name, JSONExtension) }

// parse runs the checks and the parser. The body is nil when the text was not
// given to the parser.
func (f *source) parse() (*hclsyntax.Body, diag.List) {
	if diags := f.checkBytes(); diags.HasErrors() {
		return nil, diags
	}
	tokens, _ := hclsyntax.LexConfig(f.src, f.name, startPos) // the parser says the same again
	diags := f.checkTokens(tokens)
	if diags.HasErrors() {
		return nil, diags
	}
	text, heredocs, hereDiags := extractHeredocs(f.src, f.name, tokens)
	diags = append(diags, explain(f.src, hereDiags)...)
	file, hclDiags := hclsyntax.ParseConfig(text, f.name, startPos)
	diags = append(diags, explain(text, FromHCL(hclDiags))...)
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, diags
	}
	diags = append(diags, finish(body, heredocs)...)
	return body, diags
}

// ParseExpression reads one expression, which is not part of a file.
func ParseExpression(src []byte, name string) (*Expr, diag.List) {
	f := &source{name: name, src: src}
	if diags := f.checkBytes(); diags.HasErrors() {
		return nil, diags
	}
	tokens, _ := hclsyntax.LexExpression(src, name, startPos)
	if diags := f.checkTokens(tokens); diags.HasErrors() {
		return nil, diags
	}
	text, heredocs, diags := extractHeredocs(src, name, tokens)
	node, hclDiags := hclsyntax.ParseExpression(text, name, startPos)
	diags = append(diags, explain(text, FromHCL(hclDiags))...)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, finish(node, heredocs)...)
	return &Expr{node: node, file: f}, diags
}

// ParseAttributes reads a text that has arguments only, such as a file of values
// for variables.
func ParseAttributes(src []byte, name string) ([]*Attr, diag.List) {
	f := &source{name: name, src: src}
	body, diags := f.parse()
	if body == nil || diags.HasErrors() {
		return nil, diags
	}
	b := f.body(body, nil)
	for _, blk := range b.Blocks {
		diags = append(diags, diag.Errorf(blk.TypeRange, "Unexpected block", "Only arguments are expected in %s, as in\n\n  %s = …", name, blk.Type)...)
	}
	return b.Attrs, diags
}
