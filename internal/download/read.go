package download

import (
	"context"
	"os"
	"path/filepath"
)

// Read returns what is at an address, up to max bytes. Its errors are those of
// [Client.Fetch].
func (c *Client) Read(ctx context.Context, address string, max int64) ([]byte, error) {
	dir, err := os.MkdirTemp("", "sysc-read-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	dest := filepath.Join(dir, "file")
	if err := c.Fetch(ctx, Request{URLs: []string{address}, Dest: dest, Size: -1, MaxSize: max}); err != nil {
		return nil, err
	}
	return os.ReadFile(dest)
}
