"""What `import daeda` gives: projects, their results as objects and frames, features of a frame of one's own."""
