// Command containerfile parses a Containerfile on standard input as BuildKit does, down to the flags of its instructions.
package main

import (
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	file, err := parser.Parse(os.Stdin)
	if err == nil {
		_, _, err = instructions.Parse(file.AST, linter.New(&linter.Config{}))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
