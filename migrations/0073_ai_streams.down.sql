DROP TABLE runtime.ai_answers, runtime.ai_stream_chunks;
