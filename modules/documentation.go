package modules

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"sysc/lang"
	"sysc/modules/lock"
	"sysc/modules/option"
	"sysc/modules/std"
)

// An OptionDoc is what there is to know of an option before anybody defines it.
type OptionDoc struct {
	// Path is the name with the labels' names where labels stand, as in
	// services.nginx.virtual_host["<name>"].port.
	Path string
	// Type is as written; "labelled option" or "group" for what has none.
	Type string
	// Labels are the names of a labelled option's labels.
	Labels      []string
	Description string
	// Default and Example are as written; "" for none.
	Default, Example string
	// Required is set when the option has no value without a definition.
	Required   bool
	Deprecated string
	Removed    string
	RenamedTo  string
	Internal   bool
	ReadOnly   bool
	Sensitive  bool
	Declared   []option.Declaration
}

// Undefined returns a project without any definition, for what is there before
// one is written.
func Undefined(opts *Options) *Project {
	def, diags := lang.Parse("", map[string][]byte{}, "")
	if diags.HasErrors() {
		panic("modules.Undefined: " + diags.Err().Error()) // nothing is wrong with nothing
	}
	p := &Project{dir: "."}
	if opts != nil {
		p.opts = *opts
	}
	p.def, p.files, p.lock = def, map[string][]byte{}, &lock.File{}
	p.work = p.newWork(p.lock, nil)
	return p
}

// Documentation returns the options that texts of the definition can define,
// those of sysc itself and of all standard modules included, sorted by path.
// Groups are among them when something is said of them.
func (p *Project) Documentation() []OptionDoc {
	return documentAll(p.Options())
}

// HomeDocumentation is [Project.Documentation] of homes: see [Project.HomeOptions].
func (p *Project) HomeDocumentation() []OptionDoc { return documentAll(p.HomeOptions()) }

func documentAll(root *option.Option) []OptionDoc {
	var out []OptionDoc
	for _, o := range root.Children() {
		out = document(out, o, "", false)
	}
	return out
}

func document(out []OptionDoc, o *option.Option, prefix string, internal bool) []OptionDoc {
	internal = internal || o.Internal
	doc := OptionDoc{
		Path: prefix + o.Name(), Type: "group", Labels: o.Labels, Description: o.Description,
		Default: o.DefaultText, Deprecated: o.Deprecated, Removed: o.Removed,
		Internal: internal, ReadOnly: o.ReadOnly, Sensitive: o.Sensitive, Declared: o.Declarations(),
	}
	if o.Default != nil && doc.Default == "" {
		doc.Default = o.Default.Text()
	}
	if o.Example != nil {
		doc.Example = o.Example.Text()
	}
	switch {
	case o.Renamed():
		doc.Type, doc.RenamedTo = "", strings.Join(o.RenamedTo, ".")
		return append(out, doc)
	case o.Type != nil:
		doc.Type = o.Type.String()
		_, empty := o.Type.Empty()
		doc.Required = o.Default == nil && o.DefaultText == "" && !empty && o.Removed == ""
	case len(o.Labels) > 0:
		doc.Type = "labelled option"
	case o.Freeform != nil:
		doc.Type = "group with further keys of type " + o.Freeform.String()
	}
	if doc.Type != "group" || doc.Description != "" {
		out = append(out, doc)
	}
	inside := doc.Path + "."
	if len(o.Labels) > 0 {
		inside = doc.Path
		for _, l := range o.Labels {
			inside += fmt.Sprintf("[\"<%s>\"]", l)
		}
		inside += "."
	}
	for _, c := range o.Children() {
		out = document(out, c, inside, internal)
	}
	return out
}

// Matches reports whether an option has to do with all words of a query, in any
// case: they stand in its path, its description, or the text for those who still
// use it.
func (d *OptionDoc) Matches(query string) bool {
	text := strings.ToLower(strings.Join([]string{d.Path, d.Description, d.Deprecated, d.Removed, d.RenamedTo}, "\n"))
	for _, word := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// Module says who declares the option: "sysc itself", a standard module, or the
// places of the definition.
func (d *OptionDoc) Module() string {
	var names []string
	for _, by := range d.Declared {
		switch {
		case by.Module == option.CoreModule:
			names = append(names, "sysc itself")
		case strings.HasPrefix(by.Module, std.Prefix):
			names = append(names, by.Module)
		default:
			names = append(names, position(by.Range))
		}
	}
	return strings.Join(slices.Compact(names), ", ")
}

// WriteMarkdown writes the documentation of the options of systems as a page, and
// WriteHomeMarkdown that of homes.
func WriteMarkdown(w io.Writer, docs []OptionDoc) error {
	return writeMarkdown(w, docs, `# Options

What a system can be made of: the options of sysc itself and of the standard modules. This page is made from
their declarations; `+"`sysc options`"+` shows the same, with the options of your definition, and searches in it.

Where a path has `+"`[\"<name>\"]`"+` in it, the option is in a labelled one, which is written as a block: `+"`file \"/etc/motd\" { … }`"+`.
`)
}

// WriteHomeMarkdown is described with [WriteMarkdown].
func WriteHomeMarkdown(w io.Writer, docs []OptionDoc) error {
	return writeMarkdown(w, docs, `# Options of homes

What a [home](home.md) can be made of. This page is made from the declarations; `+"`sysc options --home`"+` shows the same, with the options of your definition, and searches in it.
`)
}

func writeMarkdown(w io.Writer, docs []OptionDoc, head string) error {
	var b strings.Builder
	b.WriteString(head)
	top := ""
	for _, d := range docs {
		if d.Internal {
			continue
		}
		section, _, _ := strings.Cut(d.Path, ".")
		section, _, _ = strings.Cut(section, "[")
		if section != top {
			top = section
			fmt.Fprintf(&b, "\n## %s\n", top)
		}
		if d.Path != top || d.Type != "group" {
			fmt.Fprintf(&b, "\n### `%s`\n", d.Path)
		}
		d.markdown(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *OptionDoc) markdown(b *strings.Builder) {
	if d.Description != "" {
		fmt.Fprintf(b, "\n%s\n", d.Description)
	}
	if d.Type == "group" {
		return
	}
	fact := func(name, format string, args ...any) {
		fmt.Fprintf(b, "- %s: %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteByte('\n')
	switch {
	case d.RenamedTo != "":
		fact("an old name of", "`%s`", d.RenamedTo)
	case len(d.Labels) > 0:
		fact("type", "labelled option, by %s", strings.Join(d.Labels, " and "))
	default:
		fact("type", "`%s`", d.Type)
	}
	if d.Default != "" {
		fact("default", "`%s`", d.Default)
	} else if d.Required {
		fact("default", "none")
	}
	if d.Example != "" {
		fact("example", "`%s`", d.Example)
	}
	if d.Deprecated != "" {
		fact("deprecated", "%s", d.Deprecated)
	}
	if d.Removed != "" {
		fact("removed", "%s", d.Removed)
	}
	if by := d.Module(); by != "sysc itself" {
		fact("declared by", "%s", by)
	}
}
