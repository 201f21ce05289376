"""The limit of HTTP: FastAPI with one route that does nothing, on uvicorn. `python -m bench.nothing PORT`."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse


def application() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.post("/nothing")
    async def nothing() -> JSONResponse:
        return JSONResponse(ANSWER)

    return app


ANSWER: dict[str, Any] = {"id": "0190f0c1-0000-7000-8000-000000000000", "status": "running", "version": 9, "open": []}

if __name__ == "__main__":
    uvicorn.run(application(), port=int(sys.argv[1]), http="httptools", loop="uvloop", log_level="warning", access_log=False)
