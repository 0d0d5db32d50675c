"""The benchmark's job as people write it by hand, one file per library; each is a program of its own."""
