package modules

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/modules/std"
	"sysc/systems"
)

// homePathPattern is a clean path relative to a home directory: no component is
// empty, "." or "..", and the first is not "~", which would be taken for the home
// directory itself.
const homePathPattern = `([^/.~\x00][^/\x00]*|~[^/\x00]+|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+)(/([^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+))*`

// homeOptions is the table of the options that sysc itself declares for homes.
func homeOptions() []coreOption {
	str, list := option.String(), option.List
	nullText := option.Nullable(str)
	null := cty.NullVal(cty.String)
	mode := mustPattern(`[0-7]{3,4}`).Called("a mode of three or four octal digits, such as \"0600\",")
	path := mustPattern(homePathPattern).Called("a path below the home directory without ~/ in front, such as \".config/git/config\",")
	unit := mustPattern(unitPattern).Called("a unit's name with its suffix, such as hello.service,")
	noStrings := cty.ListValEmpty(cty.String)
	return []coreOption{
		{path: "file", labels: []string{"path"}, labelType: path,
			description: "A file of the home, by its path below the home directory. Its content is given as text or taken from a file in the store."},
		{path: "file.content", typ: nullText, value: null,
			description: "The file's text. Either this or source is set."},
		{path: "file.source", typ: nullText, value: null,
			description: fileSource},
		{path: "file.mode", typ: mode, value: cty.StringVal("0444"),
			description: "Permissions, in octal. Those to write are taken away: the file changes with its definition."},

		{path: "directory", labels: []string{"path"}, labelType: path,
			description: "A directory of the home. What is in it, and nobody declares, is left alone."},
		{path: "directory.mode", typ: mode, value: cty.StringVal("0755"),
			description: "Permissions, in octal."},

		{path: "symlink", labels: []string{"path"}, labelType: path,
			description: "A symbolic link of the home."},
		{path: "symlink.target", typ: mustPattern(`[^\x00]+`).Called("a path"),
			description: "What the link points to, absolute or relative to the link's directory."},

		{path: "env", typ: option.Map(str), value: cty.MapValEmpty(cty.String),
			description: "Environment variables of the user's sessions. In a value, $NAME and ${NAME} stand for other variables, and $$ for a dollar sign."},

		{path: "unit", labels: []string{"name"}, labelType: unit,
			description: "A unit of the user's systemd, by its name with suffix."},
		{path: "unit.content", typ: option.Nullable(mustSimple("lines")), value: null,
			description: "The unit file's text; several definitions are joined."},
		{path: "unit.enable", typ: option.Nullable(option.Bool()), value: cty.NullVal(cty.Bool),
			description: unitEnable},
		{path: "unit.wanted_by", typ: list(unit), value: noStrings,
			description: "The units that start this one, such as default.target. By default what its [Install] section names."},
		{path: "unit.mask", typ: option.Bool(), value: cty.False,
			description: unitMask},
	}
}

// misplaced says of the names of options that the other kind of thing has, and this
// one has not, where they belong.
func misplaced(kind systems.Kind) map[string]string {
	paths := func(options []coreOption) []string {
		var out []string
		for _, o := range options {
			out = append(out, o.path)
		}
		return out
	}
	own, others := paths(coreOptions("")), paths(homeOptions())
	why := "%s is an option of homes: it is set in home blocks, and in modules that homes use."
	if kind == systems.Home {
		own, others = others, slices.Concat(own, std.Paths())
		why = "%s is an option of systems: it is about a machine, and a home about the files of one user."
	}
	out := map[string]string{}
	for _, p := range others {
		if !slices.Contains(own, p) {
			out[p] = fmt.Sprintf(why, p)
		}
	}
	if kind == systems.Home {
		for _, name := range []string{"packages", "exclude_packages", "base_packages", "install_recommends"} {
			out[name] += " This version of sysc installs no packages for one user; an environment block with sysc shell gives some to a session."
		}
		for _, name := range []string{"user", "group"} {
			for _, of := range []string{"file", "directory"} {
				out[of+"."+name] = fmt.Sprintf("%s.%s is an option of systems: everything in a home belongs to its user.", of, name)
			}
		}
	}
	return out
}

// ofHome takes out of the root module's texts what is of systems: a home consists of its
// own block and of the modules that this names. It reports what a home cannot have.
func ofHome(b *systemBlock, root *moduleTexts) diag.List {
	root.options, root.configs, root.asserts = nil, nil, nil
	a := b.block.Body.Attr("base")
	if a == nil {
		return nil
	}
	return diag.Errorf(a.NameRange, "Home with a base",
		"A base is where the packages of a system are from, and this version of sysc installs no packages for one user. An environment block with sysc shell gives some to a session.")
}

// home reads everything that a home declares.
func (r *reader) home(def *systems.Definition) {
	paths := map[string]diag.Range{}
	for _, n := range r.instances("directory") {
		r.claim(paths, n)
		r.homePath(n)
		def.Directories = append(def.Directories, systems.Directory{Path: "/" + n.Key(), Mode: r.mode(n, "mode"), Position: position(n.Range())})
	}
	for _, n := range r.instances("file") {
		r.claim(paths, n)
		r.homePath(n)
		f := r.contents(n, systems.File{Path: "/" + n.Key(), Mode: r.mode(n, "mode") &^ 0o222, Position: position(n.Range())})
		r.homeText(n, "content", f.Content)
		def.Files = append(def.Files, f)
	}
	for _, n := range r.instances("symlink") {
		r.claim(paths, n)
		r.homePath(n)
		l := systems.Symlink{Path: "/" + n.Key(), Target: r.text(n, "target"), Position: position(n.Range())}
		r.homeText(n, "target", l.Target)
		def.Symlinks = append(def.Symlinks, l)
	}
	for _, n := range r.instances("unit") {
		u := r.unit(n)
		if u.Content == "" && !u.Mask {
			r.errorf(n, "Unit without content", "%s has no content, and there is no package in a home that ships it. Set content, or mask = true.", n.Path())
		}
		r.homeText(n, "content", u.Content)
		def.Units = append(def.Units, u)
	}
	def.Files = append(def.Files, r.environment()...)
}

// homePath reports a path that a home cannot declare.
func (r *reader) homePath(n *option.Node) {
	if err := systems.CheckHomePath("/" + n.Key()); err != nil {
		r.errorf(n, "Path of sysc itself", "%s cannot be declared: %v.", n.Path(), err)
	}
}

// homeText reports a path of the store in a text: around a home there is no
// directory that it leads to.
func (r *reader) homeText(n *option.Node, name, text string) {
	if err := systems.CheckHomeText(text); err != nil {
		r.errorf(r.option(n, name), "Path of the store in a home", "%s: %v.", n.Path(), err)
	}
}

// environment reads the variables and returns the files that set them.
func (r *reader) environment() []systems.File {
	v, ok := r.value(r.e.options.Root(), "env")
	if !ok || v.LengthInt() == 0 {
		return nil
	}
	n := r.option(r.e.options.Root(), "env")
	vars := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		name, text := key.AsString(), value.AsString()
		at := n
		if c, ok := n.Child(name, r.by); ok {
			at = c
		}
		if err := systems.CheckVariable(name, text); err != nil {
			r.errorf(at, "Wrong environment variable", "%s.", capital(err.Error()))
			continue
		}
		r.homeText(n, name, text)
		vars[name] = text
	}
	files, err := systems.EnvironmentFiles(vars, position(n.Range()))
	if err != nil {
		r.errorf(n, "Wrong environment variable", "%s.", capital(err.Error()))
	}
	return files
}
