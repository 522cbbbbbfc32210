module libawq

go 1.25.0

require (
	github.com/ebitengine/purego v0.11.3 // indirect
	github.com/nlpodyssey/safetensors v0.0.0-20250209183917-bfb01cc25f7c // indirect
	github.com/x448/float16 v0.8.4 // indirect
)
