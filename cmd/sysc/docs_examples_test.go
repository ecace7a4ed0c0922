package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sysc/lang/syntax"
)

// documentedExamples are the pages whose examples are run. In each section, which
// begins with a line "## …", a block
//
//	```hcl NAME       is a file of that name, in a directory of the section
//	```hcl            is a piece of a definition, and only has to be one
//	```text NAME      is any other file
//	```console        is a session: commands behind "$ ", each with what it prints
//
// A line "…" in a session stands for any lines, and "# exit N" for how the command
// above it ended, where that is not 0.
var documentedExamples = []string{"language.md", "testing.md", "home.md"}

func TestDocumentedExamples(t *testing.T) {
	for _, page := range documentedExamples {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range docSections(string(text)) {
			t.Run(page+"/"+s.title, s.run)
		}
	}
}

// TestGettingStarted: the page shows what init writes.
func TestGettingStarted(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "getting-started.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := "```hcl\n" + fmt.Sprintf(firstDefinition, "laptop", "amd64") + "```\n"
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/getting-started.md does not have\n%s", want)
	}
}

// A docSection is a part of a page that stands for itself.
type docSection struct {
	title  string
	blocks []docBlock
}

// A docBlock is what stands between fences.
type docBlock struct {
	info, text string
	line       int
}

var fence = regexp.MustCompile("^```([a-z]+ ?[^`]*)$")

func docSections(page string) []docSection {
	sections := []docSection{{title: "Begin"}}
	var open *docBlock
	for i, line := range strings.Split(page, "\n") {
		last := &sections[len(sections)-1]
		switch m := fence.FindStringSubmatch(line); {
		case open != nil && line == "```":
			last.blocks = append(last.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case m != nil:
			open = &docBlock{info: m[1], line: i + 1}
		case strings.HasPrefix(line, "## "):
			sections = append(sections, docSection{title: strings.TrimPrefix(line, "## ")})
		}
	}
	return sections
}

func (s docSection) run(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { makeRemovable(dir) })
	work := filepath.Join(dir, "work")
	for _, b := range s.blocks {
		kind, name, named := strings.Cut(b.info, " ")
		switch {
		case named && (kind == "hcl" || kind == "text"):
			path := filepath.Join(work, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(b.text), 0o644)); err != nil {
				t.Fatal(err)
			}
		case kind == "hcl":
			if _, diags := syntax.Parse("", map[string][]byte{"part.sysc.hcl": []byte(b.text)}); diags.HasErrors() {
				t.Errorf("line %d: %v", b.line, diags.Err())
			}
		case kind == "console":
			b.session(t, dir, work)
		}
	}
}

// session runs the commands of a block.
func (b docBlock) session(t *testing.T, dir, work string) {
	commands := strings.Split("\n"+b.text, "\n$ ")
	if strings.TrimSpace(commands[0]) != "" || len(commands) == 1 {
		t.Fatalf("line %d: a session begins with a command", b.line)
	}
	for _, c := range commands[1:] {
		line, want, _ := strings.Cut(strings.TrimSuffix(c, "\n"), "\n")
		got := runDocumented(t, dir, work, line)
		if !matchesDocumented(want, got) {
			t.Errorf("line %d: %s\nprints\n%s\nand the page says\n%s", b.line, line, got, want)
		}
	}
}

// runDocumented runs one command and returns all that it prints, on whichever
// stream, with a line for an exit code.
func runDocumented(t *testing.T, dir, work, line string) string {
	cmd := exec.Command("/bin/sh", "-c", line) // TestMain has put sysc on the PATH
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "HOME="+dir, "SYSC_STORE="+filepath.Join(dir, "store"), "XDG_STATE_HOME=", "NO_COLOR=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	text := func() string { return strings.TrimRight(out.String(), "\n") }
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		return fmt.Sprintf("%s\n# exit %d", text(), exit.ExitCode())
	case err != nil:
		t.Fatal(err)
	}
	return text()
}

// matchesDocumented compares line by line, ends of lines apart.
func matchesDocumented(want, got string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(regexp.QuoteMeta(strings.TrimRight(line, " ")) + `[ ]*\n`)
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String()).MatchString(strings.TrimSpace(got) + "\n")
}
