package systems

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// RenderOptions say how a plan is printed.
type RenderOptions struct {
	// Color uses ANSI colours: green, yellow and red as Terraform does.
	Color bool
	// All lists every package and every line of new files; else a long list of
	// new packages is cut down to those that the definition names, with a count of
	// the others, and a long new file to its beginning.
	All bool
	// Entry is the name of the boot entry that the switch writes, "" for none.
	Entry string
}

// longList is the number of new packages above which those that nobody named are
// only counted.
const longList = 20

// longText is the number of lines of a new file that are shown.
const longText = 12

// nameWidth is the width of the column of names, when something stands beside.
const nameWidth = 34

// Render prints a plan for people: a section for each kind of change, what is
// unchanged left out, and a line that counts. An empty plan prints nothing.
// Control characters in what a definition or a package says are replaced.
func Render(w io.Writer, p *Plan, opts RenderOptions) error {
	if p.Empty() {
		return nil
	}
	r := &renderer{RenderOptions: opts}
	if p.Hostname != nil {
		r.section("hostname")
		r.row(Change.Symbol(), change(p.Hostname.Old, p.Hostname.New), "")
	}
	r.packages(p.Packages)
	r.section("files")
	for _, f := range p.Files {
		r.entry(f.EntryChange)
		if f.Pending && f.Action == Add {
			r.line("    contents known after build")
		}
		r.diff(f.Action, f.Diff)
	}
	r.entries("dirs", p.Directories)
	r.entries("symlinks", p.Symlinks)
	r.entries("users", p.Users)
	r.entries("groups", p.Groups)
	r.section("units")
	for _, u := range p.Units {
		r.unit(u)
	}
	r.entries("checks", p.HealthChecks)
	r.boot(p)
	r.reboot(p)
	r.out.WriteString("\n" + Summary(p) + "\n")
	if text := p.Unchanged.text(); text != "" {
		r.out.WriteString("Unchanged: " + text + ".\n")
	}
	_, err := io.WriteString(w, r.out.String())
	return err
}

type renderer struct {
	RenderOptions
	out  strings.Builder
	head string // of the section that has no row yet
}

func (r *renderer) section(name string) { r.head = name }

// row prints a symbol, a name and a remark.
func (r *renderer) row(symbol, name, remark string) {
	line := fmt.Sprintf("  %-9s %3s ", r.head, symbol)
	r.head = ""
	line = strings.Replace(line, symbol+" ", r.paint(symbol, symbol)+" ", 1)
	name = printable(name)
	if remark != "" {
		name = fmt.Sprintf("%-*s %s", nameWidth, name, printable(remark))
	}
	r.out.WriteString(strings.TrimRight(line+name, " ") + "\n")
}

// paint colours text by the symbol that it belongs to.
func (r *renderer) paint(symbol, text string) string {
	if !r.Color || text == "" {
		return text
	}
	color := ""
	switch symbol {
	case "+":
		color = "32"
	case "~", "-/+":
		color = "33"
	case "-":
		color = "31"
	default:
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (r *renderer) packages(list []PackageChange) {
	r.section("packages")
	added := 0
	for _, p := range list {
		if p.Action == Add {
			added++
		}
	}
	hidden := 0
	for _, p := range list {
		remark := ""
		switch {
		case p.Replaced:
			remark = "replaced"
		case p.Downgrade:
			remark = "downgrade"
		}
		switch p.Action {
		case Add:
			if added > longList && !r.All && !p.Explicit && !p.Replaced {
				hidden++
				continue
			}
			r.row("+", p.Name+" "+p.New, remark)
		case Remove:
			r.row("-", p.Name+" "+p.Old, remark)
		default:
			r.row("~", p.Name+" "+change(p.Old, p.New), remark)
		}
	}
	if hidden > 0 {
		r.row("+", fmt.Sprintf("%d more that these need", hidden), "")
	}
}

func (r *renderer) entries(name string, list []EntryChange) {
	r.section(name)
	for _, e := range list {
		r.entry(e)
	}
}

func (r *renderer) entry(e EntryChange) {
	r.row(e.Action.Symbol(), e.Name, e.Position)
	if e.Action == Add {
		return
	}
	for _, detail := range e.Details {
		r.line("    " + printable(detail))
	}
}

// line prints something that belongs to the row above.
func (r *renderer) line(text string) {
	r.out.WriteString(strings.TrimRight(strings.Repeat(" ", 16)+text, " ") + "\n")
}

// diff prints the lines of a diff. What a removed file held is not worth them.
func (r *renderer) diff(a Action, lines []string) {
	if a == Remove {
		return
	}
	shown := 0
	for i, l := range lines {
		symbol, rest := l[:1], l[:1]+" "+l[1:]
		switch {
		case symbol == "\\", symbol == "@" && i == 0:
			continue
		case symbol == "@":
			symbol, rest = "", "..."
		}
		if shown == longText && a == Add && !r.All {
			r.line(fmt.Sprintf("  ... %d more lines", len(lines)-i))
			return
		}
		r.line("  " + r.paint(symbol, printable(rest)))
		shown++
	}
}

func (r *renderer) unit(u UnitChange) {
	symbol, remark := u.Action.Symbol(), u.Do
	if u.Do == Restart {
		symbol = "-/+"
	}
	if u.Do == Nothing {
		remark = ""
	}
	if u.Action == Change && len(u.Details) > 0 {
		remark = strings.TrimPrefix(remark+": "+strings.Join(u.Details, ", "), ": ")
	}
	r.row(symbol, u.Name, remark)
	r.diff(u.Action, u.Diff)
}

func (r *renderer) boot(p *Plan) {
	r.section("boot")
	if r.Entry != "" {
		kernel := ""
		switch {
		case p.Kernel != nil:
			kernel = "kernel " + change(p.Kernel.Old, p.Kernel.New)
		case p.Built:
			kernel = "kernel unchanged"
		}
		r.row("+", r.Entry, kernel)
	}
	if p.KernelParams != nil {
		r.row("~", "command line", change(p.KernelParams.Old, p.KernelParams.New))
	}
	if p.BootLimit != nil {
		r.row("~", "generations to boot", change(p.BootLimit.Old, p.BootLimit.New))
	}
	if p.BootTries != nil {
		r.row("~", "tries of a new one", change(p.BootTries.Old, p.BootTries.New))
	}
}

func (r *renderer) reboot(p *Plan) {
	r.section("reboot")
	switch {
	case p.First, p.Kind == Home:
	case len(p.Reboot) > 0:
		r.row("", "needed", strings.Join(p.Reboot, ", "))
	case !p.Built && len(p.Packages) > 0:
		// Any package may change what its hooks put into the initrd.
		r.row("", "known after build", "")
	default:
		r.row("", "not needed", "")
	}
}

func change(old, new string) string {
	switch {
	case old == "":
		return new
	case new == "":
		return old + " → (none)"
	}
	return old + " → " + new
}

// printable replaces what would move the cursor or colour the text.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

// Summary returns the line that counts what a plan does, as in
// "Plan: 1 package to add, 1 to change; 1 unit to restart."
func Summary(p *Plan) string {
	c := p.Counts()
	var parts []string
	for _, x := range []struct {
		one, many string
		Count
	}{
		{"package", "packages", c.Packages},
		{"file", "files", c.Files},
		{"directory", "directories", c.Directories},
		{"symlink", "symlinks", c.Symlinks},
		{"user", "users", c.Users},
		{"group", "groups", c.Groups},
		{"health check", "health checks", c.HealthChecks},
	} {
		if s := countText(x.one, x.many, []counted{{x.Add, "add"}, {x.Change, "change"}, {x.Remove, "remove"}}); s != "" {
			parts = append(parts, s)
		}
	}
	do := map[string]int{}
	for _, u := range p.Units {
		do[u.Do]++
	}
	if s := countText("unit", "units", []counted{{do[Start], Start}, {do[Stop], Stop}, {do[Restart], Restart}, {do[Nothing], "change"}}); s != "" {
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		if p.Kind == Home {
			return "Plan: the home changes."
		}
		return "Plan: the root changes."
	}
	return "Plan: " + strings.Join(parts, "; ") + "."
}

// text lists what there is of it, as in "3 packages, 1 file".
func (u Unchanged) text() string {
	var parts []string
	for _, x := range []struct {
		n         int
		one, many string
	}{
		{u.Packages, "package", "packages"}, {u.Files, "file", "files"}, {u.Directories, "directory", "directories"}, {u.Symlinks, "symlink", "symlinks"},
		{u.Users, "user", "users"}, {u.Groups, "group", "groups"}, {u.Units, "unit", "units"},
		{u.HealthChecks, "health check", "health checks"},
	} {
		switch x.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+x.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.many))
		}
	}
	return strings.Join(parts, ", ")
}

type counted struct {
	n  int
	do string
}

func countText(one, many string, list []counted) string {
	var parts []string
	for _, c := range list {
		if c.n == 0 {
			continue
		}
		noun := ""
		if len(parts) == 0 {
			noun = many + " "
			if c.n == 1 {
				noun = one + " "
			}
		}
		parts = append(parts, fmt.Sprintf("%d %sto %s", c.n, noun, c.do))
	}
	return strings.Join(parts, ", ")
}
