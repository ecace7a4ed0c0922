package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"
)

// TestLanguageServer talks to the real program as an editor does. What it answers
// to which question is tested where that is known.
func TestLanguageServer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "main.sysc.hcl")
	text := "locals {\n  a = var.missing\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "lsp", "--stdio")
	cmd.Env = append(os.Environ(), asSysc, "HOME="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	published := make(chan string, 10)
	conn := jsonrpc2.NewConn(ctx, jsonrpc2.NewBufferedStream(pipes{out, in}, jsonrpc2.VSCodeObjectCodec{}),
		jsonrpc2.HandlerWithError(func(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) (any, error) {
			var p struct {
				Diagnostics []struct{ Message string }
			}
			if err := json.Unmarshal(*req.Params, &p); err != nil || len(p.Diagnostics) == 0 {
				t.Errorf("%s: %s: %v", req.Method, *req.Params, err)
				return nil, nil
			}
			published <- p.Diagnostics[0].Message
			return nil, nil
		}))
	steps := []error{
		conn.Call(ctx, "initialize", map[string]any{"capabilities": map[string]any{}}, nil),
		conn.Notify(ctx, "initialized", map[string]any{}),
		conn.Notify(ctx, "textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "file://" + path, "text": text}}),
	}
	select {
	case message := <-published:
		if !strings.Contains(message, "missing") {
			t.Errorf("the editor is told %q", message)
		}
	case <-ctx.Done():
		t.Error("the editor is told nothing")
	}
	steps = append(steps, conn.Call(ctx, "shutdown", nil, nil), conn.Notify(ctx, "exit", nil))
	if err := errors.Join(steps...); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("sysc lsp: %v", err)
	}
}

// pipes are two as one stream.
type pipes struct {
	io.Reader
	io.WriteCloser
}
