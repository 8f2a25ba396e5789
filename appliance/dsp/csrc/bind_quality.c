/* quality: the Python side. */

#include "binding.h"
#include "quality.h"

static const char faults_of_doc[] =
    "faults_of(samples, tail_frames)\n--\n\n"
    "What can be told of int32 [frames, mics] at a glance: (clipped, silent). `clipped`: a sample is at or beyond\n"
    "the highest or lowest code of a converter of 24 bits. `silent`: the last `tail_frames` frames, or all where\n"
    "there are fewer, are 0 in every microphone.\n\n"
    "Raises:\n"
    "    TypeError, ValueError: the type, shape or memory layout of `samples` is another one.";

static PyObject *faults_of(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object = NULL;
    Py_ssize_t tail_frames = 0;
    if (!PyArg_ParseTuple(args, "On:faults_of", &object, &tail_frames)) {
        return NULL;
    }
    if (tail_frames < 0) {
        return PyErr_Format(PyExc_ValueError, "tail_frames: wanted 0 or more, got %zd", tail_frames);
    }
    const pp_buffer_wish wish = {"samples", "int32", "i l", 4, 4, 2, {PP_ANY, PP_ANY}, false};
    Py_buffer pcm;
    if (!pp_take(object, &wish, &pcm)) {
        return NULL;
    }
    const size_t mics = (size_t)pcm.shape[1];
    const size_t values = (size_t)pcm.shape[0] * mics;
    const size_t tail = (size_t)(tail_frames < pcm.shape[0] ? tail_frames : pcm.shape[0]) * mics;
    bool clipped = false;
    bool silent = false;
    Py_BEGIN_ALLOW_THREADS
    clipped = pp_is_clipped(pcm.buf, values);
    silent = pp_is_zero((const int32_t *)pcm.buf + (values - tail), tail);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&pcm);
    return PyTuple_Pack(2, clipped ? Py_True : Py_False, silent ? Py_True : Py_False);
}

PyMethodDef pp_quality_methods[] = {
    {"faults_of", faults_of, METH_VARARGS, faults_of_doc},
    {0},
};
