package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"sysc/modules"
	"sysc/modules/editor"
	"sysc/store"
)

// A client is an editor that does what a test says.
type client struct {
	t         *testing.T
	dir       string
	conn      *jsonrpc2.Conn
	published chan publishParams
	ended     chan error
	// registered is what the server asked to be told of.
	registered chan string
	// warned is what the server showed to somebody.
	warned chan string
}

// start connects an editor with a server; files are written to its directory.
func start(t *testing.T, capabilities map[string]any, files map[string]string) *client {
	t.Helper()
	return startWith(t, capabilities, files, nil)
}

// startWith is start with a finder of modules.
func startWith(t *testing.T, capabilities map[string]any, files map[string]string, find editor.Finder) *client {
	t.Helper()
	here, there := net.Pipe()
	c := &client{t: t, dir: t.TempDir(), published: make(chan publishParams, 100), ended: make(chan error, 1), registered: make(chan string, 10), warned: make(chan string, 10)}
	for name, text := range files {
		c.write(name, text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	go func() { c.ended <- Serve(ctx, there, modules.Options{}, find, filepath.Join(c.dir, "standard")) }()
	c.conn = jsonrpc2.NewConn(ctx, jsonrpc2.NewBufferedStream(here, jsonrpc2.VSCodeObjectCodec{}),
		jsonrpc2.HandlerWithError(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) (any, error) {
			var p publishParams
			if req.Method == "client/registerCapability" {
				c.registered <- string(*req.Params)
				return nil, nil
			}
			if req.Method == "window/showMessage" {
				c.warned <- string(*req.Params)
				return nil, nil
			}
			if req.Method != "textDocument/publishDiagnostics" {
				t.Errorf("the server sent %s", req.Method)
				return nil, nil
			}
			if err := json.Unmarshal(*req.Params, &p); err != nil {
				t.Error(err)
			}
			c.published <- p
			return nil, nil
		}))
	var result initializeResult
	c.call("initialize", map[string]any{"capabilities": capabilities}, &result)
	if !result.Capabilities.HoverProvider || !result.Capabilities.DocumentFormattingProvider {
		t.Errorf("the server says it can do %+v", result.Capabilities)
	}
	c.notify("initialized", map[string]any{})
	return c
}

// write writes a file as somebody else would.
func (c *client) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// changed tells that somebody else has written a file.
func (c *client) changed(name string) {
	c.t.Helper()
	c.notify("workspace/didChangeWatchedFiles", map[string]any{"changes": []any{map[string]any{"uri": c.uri(name), "type": 2}}})
}

func (c *client) call(method string, params, result any) {
	c.t.Helper()
	if err := c.conn.Call(context.Background(), method, params, result); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) notify(method string, params any) {
	c.t.Helper()
	if err := c.conn.Notify(context.Background(), method, params); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) uri(name string) string { return uriOf(filepath.Join(c.dir, name)) }

func (c *client) open(name, text string) {
	c.t.Helper()
	c.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": c.uri(name), "languageId": "sysc", "version": 1, "text": text}})
}

func (c *client) change(name, text string) {
	c.t.Helper()
	c.notify("textDocument/didChange", map[string]any{
		"textDocument": map[string]any{"uri": c.uri(name), "version": 2}, "contentChanges": []any{map[string]any{"text": text}},
	})
}

// diagnostics returns the next ones that are published for a file.
func (c *client) diagnostics(name string) []diagnostic {
	c.t.Helper()
	for {
		select {
		case p := <-c.published:
			if p.URI == c.uri(name) {
				return p.Diagnostics
			}
		case <-time.After(time.Minute):
			c.t.Fatalf("no diagnostics for %s", name)
		}
	}
}

// place splits a text at the bar, and returns it without and the params for the
// position.
func (c *client) place(name, text string) (string, map[string]any) {
	c.t.Helper()
	before, after, ok := strings.Cut(text, "|")
	if !ok {
		c.t.Fatalf("no bar in %q", text)
	}
	lines := strings.Split(before, "\n")
	return before + after, map[string]any{
		"textDocument": map[string]any{"uri": c.uri(name)},
		"position":     position{Line: len(lines) - 1, Character: len([]rune(lines[len(lines)-1]))},
		"context":      map[string]any{"includeDeclaration": true},
	}
}

// quit ends the server as editors do.
func (c *client) quit() {
	c.t.Helper()
	c.call("shutdown", nil, nil)
	c.notify("exit", nil)
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Error(err)
		}
	case <-time.After(time.Minute):
		c.t.Fatal("the server does not leave")
	}
}

const machine = `variable "greeting" {
  type        = string
  default     = "hello"
  description = "What to say."
}

locals {
  motd = "${var.greeting}, world\n"
}

option "site.port" {
  type        = port
  default     = 80
  description = "Where the site is."
}

option "site.color" {
  type        = enum("red", "green")
  default     = "red"
  description = "Its color."
}

system "box" {
  hostname = "box"
  file "/etc/motd" {
    content = "${local.motd}port ${config.site.port}"
  }
  site {
    color = "green"
  }
}
`

func TestDiagnostics(t *testing.T) {
	c := start(t, nil, map[string]string{"main.sysc.hcl": machine})
	c.open("main.sysc.hcl", machine)
	if got := c.diagnostics("main.sysc.hcl"); len(got) != 0 {
		t.Fatalf("a valid definition: %v", got)
	}

	// What is being written is checked for its form at once.
	c.change("main.sysc.hcl", machine+"locals {\n  x =\n}\n")
	got := c.diagnostics("main.sysc.hcl")
	if len(got) != 1 || got[0].Severity != severityError || got[0].Range.Start.Line != strings.Count(machine, "\n")+1 {
		t.Fatalf("an unfinished argument: %+v", got)
	}

	// What it means is checked when it is saved, files that are not open included.
	wrong := strings.Replace(machine, `hostname = "box"`, `hostnam = "box"`, 1)
	c.change("main.sysc.hcl", wrong)
	if got := c.diagnostics("main.sysc.hcl"); len(got) != 0 {
		t.Fatalf("well-formed: %v", got)
	}
	c.notify("textDocument/didSave", map[string]any{"textDocument": map[string]any{"uri": c.uri("main.sysc.hcl")}})
	got = c.diagnostics("main.sysc.hcl")
	if len(got) != 1 || !strings.Contains(got[0].Message, `Did you mean "hostname"?`) {
		t.Fatalf("a wrong option: %+v", got)
	}
	line := strings.Count(wrong[:strings.Index(wrong, "hostnam ")], "\n")
	if want := (textRange{position{line, 2}, position{line, 9}}); got[0].Range != want {
		t.Errorf("at %v, want %v", got[0].Range, want)
	}

	// When it is mended, it goes.
	c.change("main.sysc.hcl", machine)
	c.diagnostics("main.sysc.hcl")
	c.notify("textDocument/didSave", map[string]any{"textDocument": map[string]any{"uri": c.uri("main.sysc.hcl")}})
	if got := c.diagnostics("main.sysc.hcl"); len(got) != 0 {
		t.Errorf("mended: %v", got)
	}
	c.quit()
}

func TestHover(t *testing.T) {
	c := start(t, nil, nil)
	for _, tt := range []struct{ text, want string }{
		{`x = config.site.po|rt`, "`site.port`: port"},
		{`x = va|r.greeting`, ""},
		{`x = var.gree|ting`, "What to say."},
		{`x = local.mo|td`, `motd = "${var.greeting}, world\n"`},
		{`x = jo|in("", [])`, "join(separator: string"},
	} {
		text, at := c.place("main.sysc.hcl", machine+"locals {\n  "+tt.text+"\n}\n")
		c.open("main.sysc.hcl", text)
		var got *hover
		c.call("textDocument/hover", at, &got)
		switch {
		case tt.want == "" && got != nil:
			t.Errorf("%s: got %q", tt.text, got.Contents.Value)
		case tt.want != "" && (got == nil || !strings.Contains(got.Contents.Value, tt.want)):
			t.Errorf("%s: got %+v, want %q", tt.text, got, tt.want)
		}
	}
	c.quit()
}

func TestCompletion(t *testing.T) {
	c := start(t, map[string]any{"textDocument": map[string]any{"completion": map[string]any{"completionItem": map[string]any{"snippetSupport": true}}}}, nil)
	for _, tt := range []struct {
		text string
		want []string // labels that must be there; "!x" must not
	}{
		{"sys|", []string{"system", "sysc", "!locals"}},
		{"locals {\n  x = config.site.|\n}", []string{"port", "color"}},
		{"locals {\n  x = var.|\n}", []string{"greeting"}},
		{"config {\n  si|\n}", []string{"site"}},
		{"config {\n  site {\n    color = \"|\"\n  }\n}", []string{"red", "green"}},
		{"config {\n  site = {\n    |\n  }\n}", []string{"color", "port"}},
		{"config {\n  site {\n    port = 1\n    |\n  }\n}", []string{"color", "!port", "when"}},
		{"option \"a\" {\n  type = int|\n}", []string{"integer", "!string"}},
		{"variable \"v\" {\n  de|\n}", []string{"default", "description"}},
		{"locals {\n  x = jo|\n}", []string{"join"}},
		{"config {\n  hostname = fo|\n}", []string{"force", "format"}},
		{"# sys|", []string{"!system"}},
	} {
		text, at := c.place("main.sysc.hcl", machine+tt.text)
		c.open("main.sysc.hcl", machine) // what there is is known from it
		c.diagnostics("main.sysc.hcl")
		c.change("main.sysc.hcl", text)
		var got completionList
		c.call("textDocument/completion", at, &got)
		var labels []string
		for _, it := range got.Items {
			labels = append(labels, it.Label)
		}
		for _, w := range tt.want {
			if name, not := strings.CutPrefix(w, "!"); slices.Contains(labels, name) == not {
				t.Errorf("%q: got %q, want %s", tt.text, labels, w)
			}
		}
	}
	c.quit()
}

func TestNavigation(t *testing.T) {
	other := "config {\n  site {\n    port = 8080\n  }\n}\n"
	c := start(t, nil, map[string]string{"main.sysc.hcl": machine, "other.sysc.hcl": other})
	c.open("main.sysc.hcl", machine)
	line := func(text, what string) int { return strings.Count(text[:strings.Index(text, what)], "\n") }
	show := func(ls []location) string {
		var out []string
		for _, l := range ls {
			out = append(out, fmt.Sprintf("%s:%d", strings.TrimPrefix(l.URI, c.uri("")+"/"), l.Range.Start.Line))
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct{ method, text, want string }{
		{"definition", "local.mo|td}port", fmt.Sprintf("main.sysc.hcl:%d", line(machine, "motd ="))},
		{"definition", "var.gree|ting}", "main.sysc.hcl:0"},
		{"definition", "config.site.po|rt", fmt.Sprintf("main.sysc.hcl:%d", line(machine, `"site.port"`))},
		{"definition", "col|or = \"green\"", fmt.Sprintf("main.sysc.hcl:%d", line(machine, `"site.color"`))},
		{"definition", "host|name = ", ""},
		{"references", "var.gree|ting}", fmt.Sprintf("main.sysc.hcl:0 main.sysc.hcl:%d", line(machine, "var.greeting"))},
		{"references", "config.site.po|rt", fmt.Sprintf("main.sysc.hcl:%d main.sysc.hcl:%d other.sysc.hcl:2", line(machine, `"site.port"`), line(machine, "config.site.port"))},
	} {
		where := strings.Index(machine, strings.Replace(tt.text, "|", "", 1))
		_, at := c.place("main.sysc.hcl", machine[:where]+tt.text)
		var got []location
		c.call("textDocument/"+tt.method, at, &got)
		if show(got) != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.method, tt.text, show(got), tt.want)
		}
	}
	var symbols []documentSymbol
	c.call("textDocument/documentSymbol", map[string]any{"textDocument": map[string]any{"uri": c.uri("main.sysc.hcl")}}, &symbols)
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
	}
	if want := []string{`variable "greeting"`, "local.motd", `option "site.port"`, `option "site.color"`, `system "box"`}; !slices.Equal(names, want) {
		t.Errorf("symbols: %q", names)
	}
	c.quit()
}

func TestFormatting(t *testing.T) {
	c := start(t, nil, nil)
	at := map[string]any{"textDocument": map[string]any{"uri": c.uri("main.sysc.hcl")}, "options": map[string]any{"tabSize": 2}}
	for _, tt := range []struct{ text, want string }{
		{"locals {\n a=1\n  long   = \"ä\"   \n}", "locals {\n  a    = 1\n  long = \"ä\"\n}\n"},
		{"locals {\n  a = 1\n}\n", ""},
		{"locals {\n  a =\n", ""},
	} {
		c.open("main.sysc.hcl", tt.text)
		var got []textEdit
		c.call("textDocument/formatting", at, &got)
		switch {
		case tt.want == "" && len(got) != 0, tt.want != "" && (len(got) != 1 || got[0].NewText != tt.want):
			t.Errorf("%q: got %+v, want %q", tt.text, got, tt.want)
		case tt.want != "":
			if end := (position{Line: 3, Character: 1}); got[0].Range.Start != (position{}) || got[0].Range.End != end {
				t.Errorf("%q: the edit is of %v", tt.text, got[0].Range)
			}
		}
	}
	c.quit()
}

func TestPositions(t *testing.T) {
	text := []byte("aä😀b\ncd\n")
	for _, tt := range []struct {
		offset       int
		utf16, utf8s position
	}{
		{0, position{0, 0}, position{0, 0}}, {1, position{0, 1}, position{0, 1}}, {3, position{0, 2}, position{0, 3}},
		{7, position{0, 4}, position{0, 7}}, {8, position{0, 5}, position{0, 8}}, {9, position{1, 0}, position{1, 0}}, {12, position{2, 0}, position{2, 0}},
	} {
		for e, p := range map[encoding]position{utf16Units: tt.utf16, utf8Units: tt.utf8s} {
			if got := e.position(text, tt.offset); got != p {
				t.Errorf("%s: byte %d is at %v, want %v", e, tt.offset, got, p)
			}
			if got := e.offset(text, p); got != tt.offset {
				t.Errorf("%s: %v is byte %d, want %d", e, p, got, tt.offset)
			}
		}
	}
	if got := utf16Units.offset(text, position{0, 99}); got != 8 {
		t.Errorf("behind the line: %d", got)
	}
	if got := utf16Units.offset(text, position{99, 0}); got != len(text) {
		t.Errorf("behind the text: %d", got)
	}
}

func TestProtocol(t *testing.T) {
	c := start(t, map[string]any{"general": map[string]any{"positionEncodings": []string{"utf-16", "utf-8"}}}, nil)
	var e *jsonrpc2.Error
	for _, tt := range []struct {
		method string
		params any
		code   int64
	}{
		{"no/such", nil, jsonrpc2.CodeMethodNotFound},
		{"textDocument/hover", []int{1}, jsonrpc2.CodeInvalidParams},
		{"textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": "http://x/y"}}, jsonrpc2.CodeInvalidParams},
	} {
		err := c.conn.Call(context.Background(), tt.method, tt.params, nil)
		var ok bool
		if e, ok = err.(*jsonrpc2.Error); !ok || e.Code != tt.code {
			t.Errorf("%s: got %v, want code %d", tt.method, err, tt.code)
		}
	}
	c.quit()
}

const lockedNet = `{"version": 1, "modules": {"git::https://example.org/net.git": {"constraint": "~> 1.0", "version": "1.0.0", "ref": "v1.0.0", "commit": "0123456789012345678901234567890123456789", "tree": "sha256:TREE"}}}
`

// What somebody else does is seen: a lock file written, modules fetched, files
// changed on the disk.
func TestChangesOutside(t *testing.T) {
	tree := strings.Repeat("12", 32)
	digest, err := store.ParseDigest("sha256:" + tree)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	trees := map[store.Digest]string{}
	main := "module \"net\" {\n  source  = \"git::https://example.org/net.git\"\n  version = \"~> 1.0\"\n}\nsystem \"box\" {\n  modules = [module.net]\n}\n"
	c := startWith(t, map[string]any{"workspace": map[string]any{"didChangeWatchedFiles": map[string]any{"dynamicRegistration": true}}},
		map[string]string{"main.sysc.hcl": main, "fetched/net.sysc.hcl": "config {\n  hostname = \"net\"\n}\n"},
		func(_ context.Context, dir string) (map[store.Digest]string, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(trees), nil
		})
	select {
	case got := <-c.registered:
		if !strings.Contains(got, "**/sysc.lock") || !strings.Contains(got, "**/*.sysc.hcl") {
			t.Errorf("the server wants to be told of %s", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("the server wants to be told of nothing")
	}
	expect := func(why, want string) {
		t.Helper()
		got := c.diagnostics("main.sysc.hcl")
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0].Message, want)) {
			t.Errorf("%s: %+v, want %q", why, got, want)
		}
	}
	c.open("main.sysc.hcl", main)
	expect("nothing is locked", "There is no sysc.lock")
	c.write("sysc.lock", strings.Replace(lockedNet, "TREE", tree, 1))
	c.changed("sysc.lock")
	expect("nothing is fetched", "Module is not here")
	mu.Lock()
	trees[digest] = filepath.Join(c.dir, "fetched")
	mu.Unlock()
	c.changed("sysc.lock")
	expect("it is fetched", "")
	c.write("other.sysc.hcl", "config {\n  hostnam = 1\n}\n")
	c.changed("other.sysc.hcl")
	if got := c.diagnostics("other.sysc.hcl"); len(got) != 1 || !strings.Contains(got[0].Message, "hostname") {
		t.Errorf("another file: %+v", got)
	}
	c.quit()
}

// A definition in the JSON syntax has an outline, too.
func TestJSON(t *testing.T) {
	const text = `{
  "variable": {"greeting": {"default": "hello"}},
  "locals": {"motd": "${upper(var.greeting)}"},
  "option": {"site.port": {"type": "port", "default": 80}},
  "system": {"box": {
    "site": {"port": 8080},
    "file": {"/etc/motd": {"content": "${local.motd}"}}
  }}
}
`
	c := start(t, nil, map[string]string{"main.sysc.json": text, "other.sysc.hcl": "locals {\n  port = config.site.port\n  same = local.motd\n}\n"})
	c.open("main.sysc.json", text)
	var symbols []documentSymbol
	document := map[string]any{"textDocument": map[string]any{"uri": c.uri("main.sysc.json")}}
	c.call("textDocument/documentSymbol", document, &symbols)
	var got []string
	lines := strings.Split(text, "\n")
	for _, s := range symbols {
		at := s.SelectionRange
		got = append(got, s.Name+" at "+lines[at.Start.Line][at.Start.Character:at.End.Character])
		if s.Range.End.Line < at.End.Line || s.Range.Start.Line > at.Start.Line {
			t.Errorf("%s: its name is at %v, outside of %v", s.Name, at, s.Range)
		}
	}
	want := []string{`variable "greeting" at "greeting"`, `local.motd at "motd"`, `option "site.port" at "site.port"`, `system "box" at "box"`}
	if !slices.Equal(got, want) {
		t.Errorf("symbols: %q, want %q", got, want)
	}
	for _, tt := range []struct{ method, text, want string }{
		{"definition", "var.gree|ting", "main.sysc.json:1"},
		{"definition", "local.mo|td", "main.sysc.json:2"},
		{"references", `"mo|td"`, "main.sysc.json:2 main.sysc.json:6 other.sysc.hcl:2"},
		{"references", `"po|rt": 8080`, "main.sysc.json:3 main.sysc.json:5 other.sysc.hcl:1"},
	} {
		where := strings.Index(text, strings.Replace(tt.text, "|", "", 1))
		_, at := c.place("main.sysc.json", text[:where]+tt.text)
		var places []location
		c.call("textDocument/"+tt.method, at, &places)
		var shown []string
		for _, l := range places {
			shown = append(shown, fmt.Sprintf("%s:%d", strings.TrimPrefix(l.URI, c.uri("")+"/"), l.Range.Start.Line))
		}
		if got := strings.Join(shown, " "); got != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.method, tt.text, got, tt.want)
		}
	}
	for _, tt := range []struct{ text, label, insert string }{
		{"{\n  |", "system", `"system": {"": {}}`},
		{"{\n  \"lo|\": {}", "locals", "locals"},
		{`{"system": {"box": {"hostn|`, "hostname", "hostname"},
		{`{"system": {"box": {|`, "hostname", `"hostname": `},
		{`{"system": {"box": {"file": {"/x": {"mo|"}}}}`, "mode", "mode"},
		{`{"system": {"box": {"file": [{"/x": {"content": "\"{", "mo|`, "mode", "mode"},
		{`{"system": {"box": {"hostname": "a", "host|`, "", ""},
		{`{"system": {"b|`, "", ""},
		{`{"system": {"box": {"user": {"ada": {"system": t|`, "", ""},
		{`{"system": {"box": {"base_packages": "req|`, "required", "required"},
		{`{"system": {"box": {"hostname": "a${var.x}-${var.gr|"}}}`, "greeting", "greeting"},
		{`{"option": {"a": {"type": "boo|"}}}`, "bool", "bool"},
		{`{"option": {"a": {"descr|`, "description", "description"},
	} {
		written, at := c.place("main.sysc.json", tt.text)
		c.change("main.sysc.json", written)
		c.diagnostics("main.sysc.json")
		var list completionList
		c.call("textDocument/completion", at, &list)
		if tt.label == "" && len(list.Items) > 0 {
			t.Errorf("%s: completed by %s", tt.text, list.Items[0].Label)
		}
		i := slices.IndexFunc(list.Items, func(it completionItem) bool { return it.Label == tt.label })
		if tt.label != "" && (i < 0 || list.Items[i].TextEdit.NewText != tt.insert) {
			t.Errorf("%s: %d items, %d is %s: %+v", tt.text, len(list.Items), i, tt.label, list.Items[max(0, i):min(len(list.Items), i+1)])
		}
	}
	// While it is being written there may be nothing to see.
	c.change("main.sysc.json", text[:len(text)/2])
	c.diagnostics("main.sysc.json")
	c.call("textDocument/documentSymbol", document, &symbols)
	c.quit()
}

// A module is checked where it is used, with the values that its variables have
// there and the texts that are open, its own and others.
func TestModuleDirectory(t *testing.T) {
	const (
		laptop = "machines/laptop/main.sysc.hcl"
		web    = "modules/web/web.sysc.hcl"
		text   = "variable \"port\" {\n  type = number\n}\noutput \"port\" {\n  value = var.port + 1\n}\nconfig {\n  file \"/etc/web\" {\n    content = \"${var.port} ${config.site.color}\"\n  }\n}\n"
		main   = "module \"web\" {\n  source = \"../../modules/web\"\n  port   = 8080\n}\noption \"site.color\" {\n  type        = string\n  default     = \"red\"\n  description = \"Its color.\"\n}\n" +
			"system \"box\" {\n  modules  = [module.web]\n  hostname = \"box${module.web.port}\"\n}\n"
	)
	c := start(t, nil, map[string]string{
		".git/HEAD": "", laptop: main, web: text, "machines/broken/main.sysc.hcl": "module \"web\" {\n", "lone/lone.sysc.hcl": text,
	})
	save := func(name string) {
		t.Helper()
		c.notify("textDocument/didSave", map[string]any{"textDocument": map[string]any{"uri": c.uri(name)}})
	}
	expect := func(why, name, want string) {
		t.Helper()
		got := c.diagnostics(name)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0].Message, want)) {
			t.Errorf("%s: %+v, want %q", why, got, want)
		}
	}
	c.open(web, text)
	expect("a module that is right", web, "")
	_, at := c.place(web, text[:strings.Index(text, "site.color")]+"site.col|or")
	var h *hover
	c.call("textDocument/hover", at, &h)
	if h == nil || !strings.Contains(h.Contents.Value, "Its color.") {
		t.Errorf("an option that the definition declares: %+v", h)
	}
	c.change(web, strings.Replace(text, "var.port + 1", "var.prot", 1))
	c.diagnostics(web)
	save(web)
	expect("a mistake that is not on the disk", web, "no variable named \"prot\"")
	c.change(web, strings.Replace(text, "output \"port\"", "output \"address\"", 1))
	c.diagnostics(web)
	c.open(laptop, main)
	expect("who uses it sees the text that is open", laptop, "no output \"port\"")

	// It is used no more, and so lacks a value, which is no mistake; nor is it for one
	// that nobody has ever used.
	c.change(laptop, "system \"box\" {\n}\n")
	c.diagnostics(laptop)
	save(laptop)
	expect("the definition without the module", laptop, "")
	save(web)
	expect("the module without a definition", web, "")
	c.open("lone/lone.sysc.hcl", "variable \"v\" {\n  type = number\n}\nlocals {\n  a = var.v\n  b = nothing\n}\n")
	expect("a module alone", "lone/lone.sysc.hcl", "nothing called nothing")
	c.quit()
}

// Names lead from one module to another: variables from the arguments of who uses them,
// outputs, options, those of standard modules included. All that is named is found in
// every definition of the work tree, and renamed there.
func TestAcrossModules(t *testing.T) {
	const (
		laptop = "machines/laptop/main.sysc.hcl"
		server = "machines/server/main.sysc.hcl"
		web    = "modules/web/web.sysc.hcl"
		tests  = "machines/laptop/main.test.sysc.hcl"
	)
	files := map[string]string{
		".git/HEAD": "",
		web:         "variable \"port\" {\n  type = number\n}\noption \"web.port\" {\n  type    = port\n  default = var.port\n}\noutput \"url\" {\n  value = \"http://${var.port}\"\n}\n",
		laptop: "module \"web\" {\n  source = \"../../modules/web\"\n  port   = 8080\n}\nsystem \"laptop\" {\n  modules  = [module.web]\n" +
			"  hostname = module.web.url == \"\" ? \"a\" : \"b${config.web.port}\"\n  time {\n    timezone = \"UTC\"\n  }\n}\n",
		server: "module \"each\" {\n  for_each = toset([\"x\"])\n  source   = \"../../modules/web\"\n  port     = 80\n}\nlocals {\n  a = module.each[\"x\"].url\n}\nsystem \"server\" {}\n",
		tests:  "test \"a\" {\n  assert {\n    condition     = module.web.url != \"\" && config.web.port > 0\n    error_message = \"no\"\n  }\n}\n",
	}
	c := start(t, nil, files)
	at := func(name, word string) map[string]any {
		t.Helper()
		plain := strings.Replace(word, "|", "", 1)
		where := strings.Index(files[name], plain)
		if where < 0 {
			t.Fatalf("no %q in %s", plain, name)
		}
		_, at := c.place(name, files[name][:where]+word)
		return at
	}
	shown := func(places []location) string {
		var out []string
		for _, l := range places {
			out = append(out, fmt.Sprintf("%s:%d,%d", strings.TrimPrefix(l.URI, c.uri("")+"/"), l.Range.Start.Line, l.Range.Start.Character))
		}
		return strings.Join(out, " ")
	}
	c.open(laptop, files[laptop])
	c.open(web, files[web])
	for _, d := range c.diagnostics(web) {
		t.Errorf("diagnostic: %+v", d)
	}
	uses := "machines/laptop/main.sysc.hcl:6,13 machines/laptop/main.test.sysc.hcl:2,20 machines/server/main.sysc.hcl:6,6 modules/web/web.sysc.hcl:7,7"
	for _, tt := range []struct{ method, file, word, want string }{
		{"definition", laptop, "po|rt   =", "modules/web/web.sysc.hcl:0,9"},
		{"definition", laptop, "web.ur|l", "modules/web/web.sysc.hcl:7,7"},
		{"definition", laptop, "config.web.po|rt", "modules/web/web.sysc.hcl:3,7"},
		{"definition", laptop, "timez|one", "standard/timezone.sysc.hcl:2,0"},
		{"definition", laptop, "host|name", ""},
		{"definition", server, "[\"x\"].ur|l", "modules/web/web.sysc.hcl:7,7"},
		{"definition", tests, "web.u|rl", "modules/web/web.sysc.hcl:7,7"},
		{"definition", web, "var.po|rt\n", "modules/web/web.sysc.hcl:0,9"},
		{"references", web, "\"po|rt\"", "machines/laptop/main.sysc.hcl:2,2 machines/server/main.sysc.hcl:3,2 modules/web/web.sysc.hcl:0,9 modules/web/web.sysc.hcl:5,12 modules/web/web.sysc.hcl:8,20"},
		{"references", web, "\"ur|l\"", uses},
		{"references", laptop, "web.ur|l", uses},
		{"references", web, "web.po|rt", "machines/laptop/main.sysc.hcl:6,46 machines/laptop/main.test.sysc.hcl:2,44 modules/web/web.sysc.hcl:3,7"},
	} {
		var places []location
		c.call("textDocument/"+tt.method, at(tt.file, tt.word), &places)
		if got := shown(places); got != tt.want {
			t.Errorf("%s of %s in %s:\n got %s\nwant %s", tt.method, tt.word, tt.file, got, tt.want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(c.dir, "standard/timezone.sysc.hcl")); err != nil || !strings.Contains(string(text), `option "time.timezone"`) {
		t.Errorf("the text of the standard module: %q, %v", text, err)
	}

	var h *hover
	c.call("textDocument/hover", at(laptop, "po|rt   ="), &h)
	if h == nil || !strings.Contains(h.Contents.Value, `variable "port"`) {
		t.Errorf("hover of an argument: %+v", h)
	}
	for word, label := range map[string]string{"module.web.u|": "url", "  |port   =": "port"} {
		text, place := c.place(laptop, strings.Replace(files[laptop], strings.Replace(word, "|", "", 1), word, 1))
		if label == "port" {
			text = strings.Replace(text, "  port   = 8080\n", "  \n", 1)
		}
		c.change(laptop, text)
		var list completionList
		c.call("textDocument/completion", place, &list)
		if !slices.ContainsFunc(list.Items, func(it completionItem) bool { return it.Label == label }) {
			t.Errorf("completion at %s: %+v", word, list.Items)
		}
	}
	c.change(laptop, files[laptop])

	rename := func(name, word, to string) (edit workspaceEdit, err error) {
		params := at(name, word)
		params["newName"] = to
		err = c.conn.Call(context.Background(), "textDocument/rename", params, &edit)
		return edit, err
	}
	edit, err := rename(server, "[\"x\"].ur|l", "address")
	var places []location
	for uri, edits := range edit.Changes {
		for _, e := range edits {
			if e.NewText != "address" || e.Range.End.Character-e.Range.Start.Character != len("url") {
				t.Errorf("rename: %+v", e)
			}
			places = append(places, location{URI: uri, Range: e.Range})
		}
	}
	want := "machines/laptop/main.sysc.hcl:6,24 machines/laptop/main.test.sysc.hcl:2,31 machines/server/main.sysc.hcl:6,23 modules/web/web.sysc.hcl:7,8"
	if got := shown(distinct(places)); err != nil || got != want {
		t.Errorf("rename:\n got %s, %v\nwant %s", got, err, want)
	}
	for _, tt := range []struct{ word, to, want string }{
		{"web.ur|l", "a b", "is no name"}, {"host|name", "x", "cannot be changed"}, {"config.web.po|rt", "x", "cannot be changed"},
	} {
		if _, err := rename(laptop, tt.word, tt.to); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("rename of %s: %v", tt.word, err)
		}
	}
	var word *textRange
	c.call("textDocument/prepareRename", at(web, "\"ur|l\""), &word)
	if word == nil || word.Start.Character != 8 || word.End.Character != 11 {
		t.Errorf("what would be renamed: %+v", word)
	}
	c.quit()
}
