/* multipath: the Python side. */

#include "binding.h"
#include "multipath.h"

enum { SIGNAL, DELAY, GAIN, OUT, BUFFERS };

static const char multipath_doc[] =
    "MultipathChannel(*, paths, mics, max_delay_frames)\n--\n\n"
    "Many moving delays of one signal, summed for each microphone:\n"
    "y[m](t) += sum over p of gain[p, m](t) x(t - delay[p, m](t)).\n\n"
    "The error of a fractional delay is below -90 dB up to 0.354 of the rate (68 kHz at 192 kHz).\n\n"
    "Args:\n"
    "    paths: 1 to 4096.\n"
    "    mics: 1 to 8.\n"
    "    max_delay_frames: 10 to 1000000.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char multipath_process_into_doc[] =
    "process_into($self, /, signal, delay_frames, gain, out)\n--\n\n"
    "Consume `signal` float32 [frames] and add what arrives to `out` float32 [frames, mics].\n\n"
    "`delay_frames` float64 and `gain` float32 [points, paths, mics], points >= 2, stand at equally spaced\n"
    "instants from the block's first frame to just behind its last and are straight lines between them.\n"
    "Delays are MIN_DELAY_FRAMES to max_delay_frames. All C-contiguous. A path whose gain is 0 costs\n"
    "nothing. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape, memory layout or delay is out of range.";

static void multipath_destroy(void *core)
{
    pp_multipath_destroy(core);
}

static PyObject *multipath_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"paths", "mics", "max_delay_frames", NULL};
    pp_multipath_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iii:MultipathChannel", names, &spec.paths, &spec.mics,
                                     &spec.max_delay_frames)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_multipath_create(&spec, reason), multipath_destroy, reason);
}

static void multipath_dealloc(PyObject *self)
{
    pp_unwrap(self, multipath_destroy);
}

/* All or none. */
static bool take_multipath(pp_multipath *core, PyObject *const objects[BUFFERS], Py_buffer views[BUFFERS])
{
    const Py_ssize_t paths = (Py_ssize_t)pp_multipath_paths(core);
    const Py_ssize_t mics = (Py_ssize_t)pp_multipath_mics(core);
    const pp_buffer_wish wishes[BUFFERS] = {
        [SIGNAL] = {"signal", "float32", "f", 4, 4, 1, {PP_ANY}, false},
        [DELAY] = {"delay_frames", "float64", "d", 8, 8, 3, {PP_ANY, paths, mics}, false},
        [GAIN] = {"gain", "float32", "f", 4, 4, 3, {PP_AS(DELAY, 0), paths, mics}, false},
        [OUT] = {"out", "float32", "f", 4, 4, 2, {PP_AS(SIGNAL, 0), mics}, true},
    };
    if (!pp_take_all(objects, wishes, BUFFERS, views)) {
        return false;
    }
    const Py_ssize_t points = views[DELAY].shape[0];
    char reason[PP_REASON_BYTES];
    if (points < 2) {
        PyErr_Format(PyExc_ValueError, "delay_frames: wanted at least 2 points, got %zd", points);
    } else if (!pp_multipath_accepts(core, views[DELAY].buf, (size_t)points, reason)) {
        PyErr_SetString(PyExc_ValueError, reason);
    } else {
        return true;
    }
    pp_release_all(views, BUFFERS);
    return false;
}

static PyObject *multipath_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"signal", "delay_frames", "gain", "out", NULL};
    PyObject *objects[BUFFERS] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:process_into", names, &objects[SIGNAL], &objects[DELAY],
                                     &objects[GAIN], &objects[OUT]) ||
        !pp_enter(self)) {
        return NULL;
    }
    pp_multipath *const core = pp_core(self);
    Py_buffer views[BUFFERS] = {0};
    const bool accepted = take_multipath(core, objects, views);
    if (accepted) {
        Py_BEGIN_ALLOW_THREADS
        pp_multipath_execute(core, views[SIGNAL].buf, (size_t)views[SIGNAL].shape[0], views[DELAY].buf, views[GAIN].buf,
                             (size_t)views[DELAY].shape[0], views[OUT].buf);
        Py_END_ALLOW_THREADS
        pp_release_all(views, BUFFERS);
    }
    pp_leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *multipath_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_multipath_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(multipath_reset_doc, "reset($self, /)\n--\n\nForget the signal that is under way.");

static PyMethodDef multipath_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))multipath_process_into, METH_VARARGS | METH_KEYWORDS,
     multipath_process_into_doc},
    {"reset", multipath_reset, METH_NOARGS, multipath_reset_doc},
    {0},
};

static PyType_Slot multipath_slots[] = {
    {Py_tp_new, multipath_new},         {Py_tp_dealloc, multipath_dealloc},
    {Py_tp_methods, multipath_methods}, {Py_tp_doc, (void *)multipath_doc},
    {0, NULL},
};

PyType_Spec pp_multipath_type = {
    .name = "appliance.dsp._core.MultipathChannel",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = multipath_slots,
};
